"""``python -m booktape`` is the ``booktape`` command."""

from booktape.cli.main import program

program()
