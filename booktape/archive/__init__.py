"""Reading back what was recorded: any market, at any instant."""

from booktape.archive.archive import Archive
from booktape.archive.catalog import MarketStored
from booktape.archive.errors import (
    FramesMissingError,
    GapError,
    InvalidRequestError,
    NotRecordedError,
    ReadFailedError,
    UnknownMarketError,
)
from booktape.archive.gaps import Coverage
from booktape.archive.replay import ReplayEvent
from booktape.archive.rows import Rows
from booktape.model.gap import Gap

__all__ = [
    "Archive",
    "Coverage",
    "FramesMissingError",
    "Gap",
    "GapError",
    "InvalidRequestError",
    "MarketStored",
    "NotRecordedError",
    "ReadFailedError",
    "ReplayEvent",
    "Rows",
    "UnknownMarketError",
]
