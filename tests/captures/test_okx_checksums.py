"""OKX's checksums of 2022, before the venue took to ids and stopped filling them, against a real recording.

The recording's books have no ``seqId``, so today's parser does not understand them (:class:`msgspec.ValidationError`)
and records none: a book whose loss could not be seen. Its trades, which have today's shape, it does understand.
"""

import json
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from zlib import crc32

from booktape.capture.pipeline import Pipeline
from booktape.exchanges import exchange
from booktape.exchanges.wire import TextLevel, text_levels
from booktape.model.book import Book
from booktape.model.records import BOOK_UPDATES, TRADES, levels
from tests.captures import reading

OKX_2022 = "okx/cryptofeed_20220513.jsonl.gz"


def checksum(book: Book) -> int:
    """CRC32 (signed) over the 25 best levels in turn, bid before ask: ``price:amount`` each."""
    turns = zip_longest(book.bids.top(25), book.asks.top(25))
    text = ":".join(number for turn in turns for level in turn if level is not None for number in level)
    unsigned = crc32(text.encode())
    return unsigned - 2**32 if unsigned >= 2**31 else unsigned


def test_every_checksum_of_the_old_recording_is_right(capture: Callable[[str], Path]) -> None:
    books: dict[str, Book] = {}
    checked = wrong = 0
    for line in reading.lines(capture(OKX_2022)):
        frame = json.loads(line["data"]) if line["kind"] == "ws" else {}
        if "data" not in frame or frame["arg"]["channel"] != "books":
            continue
        instrument = frame["arg"]["instId"]
        if frame["action"] == "snapshot":
            books[instrument] = Book()
        for told in frame["data"]:
            bids, asks = (
                levels(text_levels([TextLevel(*level[:2]) for level in told[key]])) for key in ("bids", "asks")
            )
            books[instrument].apply(bids, asks)
            checked += 1
            wrong += checksum(books[instrument]) != told["checksum"]
    assert (checked, wrong) == (290, 0)


def test_todays_parser_takes_the_old_trades_and_no_book_without_ids(capture: Callable[[str], Path]) -> None:
    recorder = Pipeline(exchange("okx"), lambda batch: None, lambda gap: None)
    connection = recorder.new_feed()
    for line in reading.lines(capture(OKX_2022)):
        if line["kind"] == "ws":
            connection.feed(line["data"].encode(), line["t"] // 1_000)
    recorder.close()
    assert recorder.unknown_frames == {"ValidationError": 290}
    assert sum(recorder.records()[TRADES].values()) == 74
    assert BOOK_UPDATES not in recorder.records()
