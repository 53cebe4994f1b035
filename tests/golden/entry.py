"""Every name of the application that golden tests call, in one place: moves and renames touch this file only.

The tests themselves speak to the command line and to files. What has no command is imported here.
"""

from booktape.core import codec
from booktape.core.keys import parse_key
from booktape.core.ledger import Gap as LedgerGap
from booktape.core.ledger import Line as LedgerLine
from booktape.core.ledger import State as LedgerState
from booktape.core.ledger import Written as LedgerBatch
from booktape.core.ledger import decode as decode_segment
from booktape.core.ledger import encode as encode_segment
from booktape.core.ledger import parse_segment_key
from booktape.core.records import RECORD_TYPES, Trade, record_time
from booktape.core.streams import Stream, key_of
from booktape.feed.raw import RawFrames
from booktape.feed.uploader import Uploader
from booktape.live import Latest, LiveCache, Top, latest
from booktape.raw import answer_object, parse_raw_key
from booktape.storage import open_store
from cli.main import main

__all__ = [
    "RECORD_TYPES",
    "Latest",
    "LedgerBatch",
    "LedgerGap",
    "LedgerLine",
    "LedgerState",
    "LiveCache",
    "RawFrames",
    "Stream",
    "Top",
    "Trade",
    "Uploader",
    "answer_object",
    "codec",
    "decode_segment",
    "encode_segment",
    "key_of",
    "latest",
    "main",
    "open_store",
    "parse_key",
    "parse_raw_key",
    "parse_segment_key",
    "record_time",
]
