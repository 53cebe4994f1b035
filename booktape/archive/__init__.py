"""Reading recorded and published data: any market, at any time."""

from booktape.archive.archive import Archive
from booktape.archive.catalog import StreamKey
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
    "NotRecordedError",
    "ReadFailedError",
    "ReplayEvent",
    "Rows",
    "StreamKey",
    "UnknownMarketError",
]
