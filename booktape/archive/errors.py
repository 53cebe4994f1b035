"""What can be wrong with a question to the archive."""

from booktape.model.errors import BooktapeError
from booktape.model.gap import Gap
from booktape.model.timestamps import format_timestamp


class GapError(BooktapeError):
    """Something of what was asked for is missing, or may be. ``missing`` says what."""

    def __init__(self, exchange: str, market: str, missing: Gap) -> None:
        when = f"between {format_timestamp(missing.start)} and {format_timestamp(missing.end)}"
        super().__init__(
            f"{missing.data_type} of {exchange} {market}: {missing.description}, {when}; "
            'ask for another stretch, or read across it with gaps="mark"'
        )
        self.missing = missing


class UnknownMarketError(BooktapeError):
    """The archive has no such market."""


class NotRecordedError(BooktapeError):
    """Nothing was recorded of that market in that time."""


class InvalidRequestError(BooktapeError):
    """Not a data type, a way to take gaps, or a step that there is."""


class ReadFailedError(BooktapeError):
    """What is stored is damaged or gone, the archive was closed, or this machine has no room for it."""


class FramesMissingError(BooktapeError):
    """A package that is needed for data frames is not installed."""
