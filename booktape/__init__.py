"""Booktape: record every trade and every order-book change, prove what was missed, publish each day, read it back."""

from __future__ import annotations

from booktape.model.version import VERSION as __version__  # noqa: N811  # the name that Python gives it

TYPE_CHECKING = False  # as in `typing`, whose import would cost more than this whole module
if TYPE_CHECKING:
    from typing import Any

    from booktape.archive import Archive

__all__ = ["Archive", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the archive when ``from booktape import Archive`` first needs it."""
    if name == "Archive":
        from booktape.archive import Archive

        return Archive
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
