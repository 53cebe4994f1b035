"""Booktape: record every trade and every order-book change, prove what was missed, publish each day, read it back."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from booktape.archive import Archive

__all__ = ["Archive"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``from booktape import Archive`` loads what reads only then: recording needs none of it."""
    if name == "Archive":
        from booktape.archive import Archive

        return Archive
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
