"""Reading back what was recorded: any market, at any instant."""

from booktape.archive.archive import Archive
from booktape.archive.coverage import Coverage
from booktape.archive.errors import BadRequest, FramesMissing, GapError, NotRecorded, ReadFailed, UnknownMarket
from booktape.archive.library import MarketStored
from booktape.archive.replay import Event
from booktape.archive.rows import Rows
from booktape.core.missing import Missing

__all__ = [
    "Archive",
    "BadRequest",
    "Coverage",
    "Event",
    "FramesMissing",
    "GapError",
    "MarketStored",
    "Missing",
    "NotRecorded",
    "ReadFailed",
    "Rows",
    "UnknownMarket",
]
