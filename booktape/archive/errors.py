"""What can be wrong with a question to the archive."""

from booktape.core.instants import text
from booktape.core.missing import Missing
from booktape.errors import BooktapeError


class GapError(BooktapeError):
    """Something of what was asked for is missing, or may be. ``missing`` says what."""

    def __init__(self, exchange: str, market: str, missing: Missing) -> None:
        when = f"between {text(missing.start)} and {text(missing.end)}"
        super().__init__(
            f"{missing.data_type} of {exchange} {market}: {missing.why}, {when}; "
            'ask for another stretch, or read across it with gaps="mark"'
        )
        self.missing = missing


class UnknownMarket(BooktapeError):
    """The archive has no such market."""


class NotRecorded(BooktapeError):
    """Nothing was recorded of that market in that time."""


class BadRequest(BooktapeError):
    """Not a data type, a way to take gaps, or a step that there is."""


class ReadFailed(BooktapeError):
    """What is stored is damaged or gone, the archive was closed, or this machine has no room for it."""


class FramesMissing(BooktapeError):
    """A package that is needed for data frames is not installed."""
