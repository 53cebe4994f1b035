"""Every checksum of the public recordings holds after the round trip through storage.

Both recordings are of protocols that today's parsers do not take (Kraken's v1, OKX of 2022), so the frames become
records here; from the store on, it is the archive's way.
"""

import json
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from booktape import Archive
from booktape.exchanges import exchange
from booktape.exchanges.wire import TextLevel, text_levels
from booktape.model.book import Book
from booktape.model.book_replay import BookReplayer
from booktape.model.records import MINUTE, BookSnapshot, BookUpdate, levels
from booktape.model.sequence import CHECKSUM
from booktape.store.objects import open_store
from tests.archive.uptime_logs import listened_whenever_recorded
from tests.captures import reading
from tests.captures.conftest import capture  # noqa: F401  # a fixture
from tests.captures.test_okx_checksums import OKX_2022, checksum
from tests.merge.systems import put

Message = BookUpdate | BookSnapshot


def stored(store: Path, venue: str, messages: Iterable[tuple[str, Message]]) -> None:
    """Store messages by market as a collector would: a batch for each minute, type and run."""
    markets: dict[str, list[Message]] = {}
    for market, message in messages:
        markets.setdefault(market, []).append(message)
    for market, found in markets.items():
        for _, some in groupby(found, lambda one: (type(one), one.local_timestamp // MINUTE)):
            put(open_store(str(store)), *some, market=market, exchange=venue)
    listened_whenever_recorded(open_store(str(store)), venue)


def message(*, is_snapshot: bool, bids: Raw, asks: Raw, received: int, checksum: int | None) -> Message:
    told: dict[str, Any] = {"bids": bids, "asks": asks, "local_timestamp": received, "checksum": checksum}
    return BookSnapshot(origin="stream", **told) if is_snapshot else BookUpdate(**told)


def kraken_v1(path: Path) -> Iterable[tuple[str, Message]]:
    received = 0
    for line in reading.lines(path):
        frame = json.loads(line["data"])
        if not isinstance(frame, list):
            continue
        received = max(line["t"] // 1_000, received + 1)
        parts, pair = frame[1:-2], frame[-1]
        first = parts[0]
        sides = ("bs", "as") if "as" in first else ("b", "a")
        bids, asks = ([level[:2] for part in parts for level in part.get(side, [])] for side in sides)
        yield (
            pair.replace("/", "-"),
            message(
                is_snapshot="as" in first,
                bids=Raw(msgspec.json.encode(bids)),
                asks=Raw(msgspec.json.encode(asks)),
                received=received,
                checksum=int(parts[-1]["c"]) if "c" in parts[-1] else None,
            ),
        )


def test_krakens(capture: Callable[[str], Path], tmp_path: Path) -> None:  # noqa: F811  # the fixture
    stored(tmp_path, "kraken", kraken_v1(capture("kraken/cryptofeed_20210405_v1_book.jsonl.gz")))
    checked = 0
    with Archive(str(tmp_path)) as archive:
        for _, market, _ in archive.markets("kraken"):
            book = BookReplayer(CHECKSUM, exchange("kraken").book_checksum)
            for told in archive.book_updates("kraken", market, "2021-04-05", "2021-04-06"):
                assert book.apply(told), book.missing
                checked += told.checksum is not None
            view = archive.book("kraken", market, "2021-04-05T23:49:00")
            assert view.sound
    assert checked == 14_496


def okx_of_2022(path: Path) -> Iterable[tuple[str, Message]]:
    received = 0
    for line in reading.lines(path):
        frame = json.loads(line["data"]) if line["kind"] == "ws" else {}
        if "data" not in frame or frame["arg"]["channel"] != "books":
            continue
        for told in frame["data"]:
            received = max(line["t"] // 1_000, received + 1)
            bids, asks = (text_levels([TextLevel(*level[:2]) for level in told[side]]) for side in ("bids", "asks"))
            is_snapshot = frame["action"] == "snapshot"
            yield (
                frame["arg"]["instId"],
                message(is_snapshot=is_snapshot, bids=bids, asks=asks, received=received, checksum=told["checksum"]),
            )


def test_okxs(capture: Callable[[str], Path], tmp_path: Path) -> None:  # noqa: F811  # the fixture
    """Its messages had no ids yet, and today's rule is about ids: the archive says so, and hands them out if asked."""
    stored(tmp_path, "okx", okx_of_2022(capture(OKX_2022)))
    checked = 0
    with Archive(str(tmp_path)) as archive:
        for _, market, _ in archive.markets("okx"):
            book = Book()
            for told in archive.book_updates("okx", market, "2022-05-13", "2022-05-14", gaps="mark"):
                if isinstance(told, BookSnapshot):
                    book = Book()
                if isinstance(told, Message):
                    book.apply(levels(told.bids), levels(told.asks))
                    assert checksum(book) == told.checksum
                    checked += 1
    assert checked == 290
