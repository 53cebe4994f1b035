"""The ``booktape`` command: thin commands over the library, the workers and the tasks."""
