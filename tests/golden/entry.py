"""Every name of the application that golden tests call, in one place: moves and renames touch this file only.

The tests themselves speak to the command line and to files. What has no command is imported here.
"""

from booktape.capture.batcher import Batcher as Stream
from booktape.capture.raw_writer import RawFrames
from booktape.capture.uploader import Uploader
from booktape.cli.main import main
from booktape.integrity.uptime_log import encode_segment
from booktape.model.codec import compress, decode_records
from booktape.model.records import RECORD_TYPES, record_time
from booktape.model.uptime import StreamInterval as LedgerState
from booktape.model.uptime import StreamUptime as LedgerLine
from booktape.model.uptime import WrittenBatch as LedgerBatch
from booktape.model.uptime import decode_segment
from booktape.store.layout import parse_batch_key as parse_key
from booktape.store.layout import parse_raw_key, parse_segment_key
from booktape.store.live_cache import Latest, LiveCache, Top
from booktape.store.objects import open_store
from booktape.store.raw_frames import answer_object
from tests.model.uptime_gaps import logged as LedgerGap
from tests.model.uptime_gaps import stored_gap as ledger_gap

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
    "Uploader",
    "answer_object",
    "compress",
    "decode_records",
    "decode_segment",
    "encode_segment",
    "ledger_gap",
    "main",
    "open_store",
    "parse_key",
    "parse_raw_key",
    "parse_segment_key",
    "record_time",
]
