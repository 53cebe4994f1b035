"""Records stored, merged into a published Parquet, and exported: what a test then reads."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from msgspec import Raw, json

from booktape.archive.exports import MarketFile, write_market_files
from booktape.merge import Merge
from booktape.model.records import BookSnapshot, BookUpdate
from booktape.store.objects import Store, open_store
from tests.merge.systems import Systems, at, open_systems, path_of, put

DAY = date(2024, 8, 9)
MIDNIGHT = at(DAY)

Levels = Sequence[tuple[str, str]]


def levels(told: Levels) -> Raw:
    return Raw(json.encode(told))


def update(number: int, *, bids: Levels = (), asks: Levels = (), received: int | None = None) -> BookUpdate:
    """The ``number``-th update, sent that many milliseconds after midnight and received 500 µs later."""
    sent = MIDNIGHT + number * 1000
    return BookUpdate(
        first_id=number,
        last_id=number,
        timestamp=sent,
        bids=levels(bids),
        asks=levels(asks),
        local_timestamp=sent + 500 if received is None else received,
    )


def snapshot(
    number: int, *, bids: Levels = (), asks: Levels = (), origin: str = "stream", received: int | None = None
) -> BookSnapshot:
    """The book as of the ``number``-th update; by the stream it comes 100 µs after that."""
    sent = MIDNIGHT + number * 1000
    return BookSnapshot(
        last_id=number,
        timestamp=sent if origin == "stream" else None,
        bids=levels(bids),
        asks=levels(asks),
        origin=origin,
        local_timestamp=sent + 600 if received is None else received,
    )


@dataclass(frozen=True)
class World:
    """Two systems, and the store that takes the exported files."""

    systems: Systems
    to: Store
    published: Store

    def put(self, *records: Any, market: str = "BTC-USDT", exchange: str = "binance", replica: bool = False) -> None:
        """Store records of one or several types as a collector does."""
        store = self.systems.replica if replica else self.systems.primary
        for kind in dict.fromkeys(type(record) for record in records):
            put(store, *(r for r in records if type(r) is kind), market=market, exchange=exchange)

    def publish(self, data_type: str, exchange: str = "binance", day: date = DAY) -> str:
        """Merge the day; returns the key of its Parquet."""
        merged = self.systems.merged(Merge(exchange, data_type, day))
        return Path(path_of(merged.parquet[""])).name

    def export(self, data_type: str, exchange: str = "binance", day: date = DAY, **options: Any) -> list[MarketFile]:
        """Merge and export the day."""
        key = self.publish(data_type, exchange, day)
        return write_market_files(self.published, key, exchange, data_type, day, self.to, **options)

    def text(self, file: MarketFile) -> str:
        """The text of an exported CSV."""
        assert file.key is not None
        return gzip.decompress(self.to.read(file.key)).decode()

    def path(self, file: MarketFile) -> Path:
        """Where an exported file lies."""
        assert file.key is not None
        assert self.to.directory is not None
        return self.to.directory / file.key


def open_world(root: Path) -> World:
    systems = open_systems(root / "systems")
    return World(systems, open_store(f"{root}/exported"), open_store(systems.results))
