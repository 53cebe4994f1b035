"""Proving a market's day from records that are written out: for tests of what is proven."""

from collections.abc import Iterable, Sequence
from datetime import date
from functools import partial
from typing import Any

from msgspec import Raw

from booktape.integrity.audit import Evidence, MarketAudit, audit_market
from booktape.integrity.ordering import ObjectRecords
from booktape.integrity.scope import AuditScope
from booktape.merge.reference import StoredRecord
from booktape.model.gap import Gap
from booktape.model.records import DAY, SECOND, TRADES, BookSnapshot, BookUpdate, Record, Trade, first_position
from booktape.model.uptime import StreamInterval, StreamUptime

MIDNIGHT = 1723161600_000_000
THE_DAY = date(2024, 8, 9)
PRIMARY, REPLICA, REST = 0, 1, 2

Batches = Iterable[tuple[int, Sequence[Record]]]


def trade(number: int, time: int | None = None, amount: str = "0.5") -> Trade:
    """A trade of the day, one second after the one before it unless told otherwise."""
    at = MIDNIGHT + number * SECOND if time is None else time
    return Trade(number, at, "buy", "10", amount, at + 1_000)


def update(first: int, last: int, previous: int | None = None, bids: bytes = b'[["9","1"]]') -> BookUpdate:
    at = MIDNIGHT + last * SECOND
    return BookUpdate(
        first_id=first if previous is None else None,
        last_id=last,
        previous_id=previous,
        timestamp=at,
        bids=Raw(bids),
        asks=Raw(b"[]"),
        local_timestamp=at + 1_000,
    )


def snapshot(last: int, bids: bytes, asks: bytes, origin: str = "rest") -> BookSnapshot:
    at = MIDNIGHT + last * SECOND
    return BookSnapshot(
        last_id=last, timestamp=at, bids=Raw(bids), asks=Raw(asks), origin=origin, local_timestamp=at + 2_000
    )


def terms(data_type: str = TRADES, rule: str = "contiguous") -> AuditScope:
    return AuditScope("binance", "BTC-USDT", data_type, rule, THE_DAY, range(MIDNIGHT, MIDNIGHT + DAY))


def proven(
    batches: Batches,
    about: AuditScope | None = None,
    before: int | None = None,
    ledger: Iterable[Sequence[StreamUptime]] = (),
) -> MarketAudit:
    """Prove stored batches, each of (system, records)."""
    stored = list(batches)
    parts = [
        ObjectRecords(first_position(records[0]), system, True, partial(list, records)) for system, records in stored
    ]
    held: list[list[StoredRecord[Any]]] = [
        [StoredRecord("BTC-USDT", THE_DAY, record) for system, records in stored if system == one for record in records]
        for one in (PRIMARY, REPLICA, REST)
    ]
    return audit_market(about or terms(), Evidence(parts, before, ledger, lambda: held))


def line(*states: StreamInterval, gaps: Sequence[Gap] = (), instance: str = "a") -> StreamUptime:
    around = states[0].start, states[-1].end
    return StreamUptime(TRADES, "BTC-USDT", instance, *around, list(states), list(gaps), [], lag=0, over=True)
