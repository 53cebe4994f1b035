"""``python -m booktape.cli`` is the ``booktape`` command."""

from booktape.cli.main import program

program()
