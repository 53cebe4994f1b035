"""The command line's fixtures, for the documentation's examples."""

from tests.cli.conftest import booktape

__all__ = ["booktape"]
