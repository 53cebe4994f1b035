"""The errors of reading an archive."""

from booktape.model.errors import DataError, InvalidInputError, NotAvailableError, NotInstalledError
from booktape.model.gap import Gap
from booktape.model.timestamps import format_timestamp


class GapError(NotAvailableError):
    """Something in the requested range is missing, or may be.

    :ivar missing: the gap.
    """

    def __init__(self, exchange: str, market: str, missing: Gap) -> None:
        when = f"between {format_timestamp(missing.start)} and {format_timestamp(missing.end)}"
        super().__init__(
            f"{missing.data_type} of {exchange} {market}: {missing.description}, {when}; "
            'choose another range, or read across the gap with gaps="mark"'
        )
        self.missing = missing


class UnknownMarketError(NotAvailableError):
    """The archive has no such market."""


class NotRecordedError(NotAvailableError):
    """Nothing of the market was recorded in the requested range."""


class InvalidRequestError(InvalidInputError):
    """A parameter has an invalid value, or a file cannot be written."""


class ReadFailedError(DataError):
    """Stored data is damaged or gone, the archive is closed, or this machine has no room for the data."""


class FramesMissingError(NotInstalledError):
    """A package for data frames is not installed."""
