"""A small archive, such as the examples of the documentation read: two venues and one whole day."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec import Raw, json

from booktape.capture.batcher import Batcher
from booktape.integrity.uptime_log import encode_segment
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    DAY,
    MINUTE,
    QUOTES,
    SECOND,
    TRADES,
    BookSnapshot,
    BookUpdate,
    Level,
    Quote,
    Record,
    Trade,
    record_time,
)
from booktape.model.uptime import CONNECTED, StreamInterval, StreamUptime, WrittenBatch
from booktape.store.layout import batch_key
from booktape.store.objects import Store, open_store

MIDNIGHT: Final = 1_723_161_600 * SECOND
"""2024-08-09."""

MARKETS: Final = {"binance": ("BTC-USDT", "ETH-USDT"), "coinbase": ("BTC-USD",)}

_STEP: Final = 30 * SECOND
_STEPS: Final = DAY // _STEP
_DELAY: Final = 50_000
_SEGMENT: Final = 10 * MINUTE


def record_day(directory: Path) -> None:
    """Record the day in a directory: a trade, a quote and a change of the book every 30 seconds of each market.

    The ledger tells that somebody listened all the time.
    """
    store = open_store(str(directory))
    for exchange, markets in MARKETS.items():
        stamped = exchange != "binance"  # whose book carries no engine time
        for market in markets:
            _keep(store, exchange, market, TRADES, map(_trade, range(_STEPS)))
            _keep(store, exchange, market, QUOTES, (_quote(step, stamped) for step in range(_STEPS)))
            _keep(store, exchange, market, BOOK_SNAPSHOTS, [_snapshot(stamped)])
            _keep(store, exchange, market, BOOK_UPDATES, (_update(step, stamped) for step in range(1, _STEPS)))


def _keep(store: Store, exchange: str, market: str, data_type: str, records: Iterable[Record]) -> None:
    segments: defaultdict[int, list[WrittenBatch]] = defaultdict(list)

    def put(batch: Batch) -> None:
        key = batch_key(batch, exchange)
        store.create(str(key), codec.compress(batch.lines))
        written = WrittenBatch(key.minute, key.first, key.last, batch.count, key.digest)
        segments[key.minute // _SEGMENT * _SEGMENT].append(written)

    stream = Batcher(data_type, market, put, lambda gap: None)
    for record in records:
        stream.append(record, record_time(record))
    stream.close()
    for start in range(MIDNIGHT - _SEGMENT, MIDNIGHT + DAY + _SEGMENT, _SEGMENT):
        states = [StreamInterval(CONNECTED, start, start + _SEGMENT)]
        line = StreamUptime(data_type, market, "a", start, start + _SEGMENT, states, [], segments[start], lag=_DELAY)
        store.create(*encode_segment(exchange, "a", start, [line]))


def _time(step: int) -> int:
    return MIDNIGHT + step * _STEP


def _price(step: int, offset: int = 0) -> str:
    return f"{60_000 + step * 7 % 401 + offset}.10"


def _trade(step: int) -> Trade:
    side = "buy" if step % 3 else "sell"
    return Trade(1_000 + step, _time(step), side, _price(step), f"0.{step % 9 + 1}", _time(step) + _DELAY)


def _quote(step: int, stamped: bool) -> Quote:
    time = _time(step)
    return Quote(
        5_000 + step, time if stamped else None, _price(step, -1), "1.5", _price(step, 1), "2", time + _DELAY, time
    )


def _snapshot(stamped: bool) -> BookSnapshot:
    time = _time(0)
    return BookSnapshot(
        last_id=None if stamped else 1_000,
        timestamp=time if stamped else None,
        bids=_levels([(_level(-level), f"{level}.5") for level in range(1, 31)]),
        asks=_levels([(_level(level), f"{level}.5") for level in range(1, 31)]),
        origin="stream" if stamped else "rest",
        local_timestamp=time + _DELAY,
        sent_timestamp=time,
    )


def _update(step: int, stamped: bool) -> BookUpdate:
    """Sets the amounts of one level on each side; now and then it takes the level away."""
    time, distance, amount = _time(step), step % 30 + 1, f"{step % 9}.{step % 2}"
    return BookUpdate(
        first_id=None if stamped else 1_000 + step,
        last_id=None if stamped else 1_000 + step,
        timestamp=time if stamped else None,
        bids=_levels([(_level(-distance), amount)]),
        asks=_levels([(_level(distance), amount)]),
        local_timestamp=time + _DELAY,
        sent_timestamp=time,
    )


def _level(distance: int) -> str:
    return f"{60_000 + distance}.10"


def _levels(levels: list[Level]) -> Raw:
    return Raw(json.encode(levels))
