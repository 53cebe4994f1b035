"""A venue that begins its numbers anew within a day: each era is proven by itself, whatever numbers it shares."""

from collections.abc import Sequence
from datetime import date
from functools import partial

from msgspec import Raw

from booktape.integrity.audit import Evidence, MarketAudit, audit_market
from booktape.integrity.ordering import EPOCH, ObjectRecords
from booktape.integrity.published_rows import RowDigest
from booktape.integrity.scope import AuditScope
from booktape.integrity.sequence_audit import Edge, EpochSummary
from booktape.merge.reference import StoredRecord, merge_book, merge_trades
from booktape.model.csv import PublishedRecord
from booktape.model.records import BOOK_UPDATES, DAY, SECOND, TRADES, BookSnapshot, BookUpdate, Trade
from booktape.model.resets import Reset
from booktape.model.sequence import CONTIGUOUS, NONE, RANGED

THE_DAY = date(2024, 8, 9)
MIDNIGHT = 1723161600 * SECOND
NOON = MIDNIGHT + DAY // 2
RESTART = Reset(NOON + 30 * SECOND, NOON + 30 * SECOND, 0)


def trade(number: int, second: int) -> Trade:
    time = NOON + second * SECOND
    return Trade(number, time, "buy", "10", "1", time)


def update(number: int, second: int) -> BookUpdate:
    """A window of two ids, with a connection's time only."""
    time = NOON + second * SECOND
    return BookUpdate(
        first_id=number, last_id=number + 1, bids=Raw(b'[["9","%d"]]' % (second + 1)), asks=Raw(b'[["11","1"]]'),
        local_timestamp=time, sent_timestamp=time,
    )  # fmt: skip


def snapshot(number: int, second: int) -> BookSnapshot:
    time = NOON + second * SECOND
    return BookSnapshot(
        last_id=number, bids=Raw(b'[["9","1"]]'), asks=Raw(b'[["11","1"]]'), origin="rest",
        local_timestamp=time, sent_timestamp=time,
    )  # fmt: skip


def terms(data_type: str, rule: str, *resets: Reset) -> AuditScope:
    return AuditScope(
        "binance", "BTC-USDT", data_type, rule, THE_DAY, range(MIDNIGHT, MIDNIGHT + DAY), resets=tuple(resets)
    )


def proven(
    about: AuditScope, *objects: tuple[int, Sequence[PublishedRecord]], before: int | None = None
) -> MarketAudit:
    """What is proven of objects, each with the place where it begins."""
    parts = [ObjectRecords(begins, 0, True, partial(list, records)) for begins, records in objects]
    stored = [StoredRecord("BTC-USDT", THE_DAY, record) for _, records in objects for record in records]
    return audit_market(about, Evidence(parts, before, [], lambda: [stored]))


OLD = [trade(1001, 1), trade(1002, 2), trade(1004, 4)]
NEW = [trade(1, 60), trade(2, 61), trade(5, 64)]


def test_only_what_is_missing_of_each_era_is_missing() -> None:
    found = proven(terms(TRADES, CONTIGUOUS, RESTART), (1001, OLD), (EPOCH + 1, NEW)).loss
    assert (found.first, found.last, found.expected, found.present) == (1001, 5, 9, 6)
    assert found.missing == [(1003, 1003), (3, 4)]
    assert [(era.starts_at, era.loss.first, era.loss.last, era.loss.missing) for era in found.epochs] == [
        (None, 1001, 1004, [(1003, 1003)]),
        (RESTART.high, 1, 5, [(3, 4)]),
    ]


def test_the_day_before_is_joined_to_the_first_era_alone() -> None:
    found = proven(terms(TRADES, CONTIGUOUS, RESTART), (1001, OLD), (EPOCH + 1, NEW), before=998).loss
    assert found.start == Edge(True, [(999, 1000)])
    assert found.missing == [(1003, 1003), (3, 4)]


def test_numbers_of_two_eras_fill_no_hole_of_each_other() -> None:
    again = [trade(1003, 60), trade(1004, 61)]
    market = proven(terms(TRADES, CONTIGUOUS, RESTART), (1001, OLD), (EPOCH + 1003, again))
    assert (market.rows, market.reused_ids) == (5, [])
    assert (market.loss.missing, market.loss.expected, market.loss.present) == ([(1003, 1003)], 6, 5)


def test_without_a_restart_a_day_is_one_sequence_however_far_its_numbers_are_apart() -> None:
    found = proven(terms(TRADES, CONTIGUOUS), (1, [trade(1, 1), trade(1000, 60)])).loss
    assert (found.missing, found.epochs, found.expected) == ([(2, 999)], [], 1000)


def test_ids_of_two_trades_that_nothing_tells_apart_are_named() -> None:
    again = [trade(1001, 60), trade(1002, 3)]
    assert proven(terms(TRADES, CONTIGUOUS), (1001, OLD), (1001, again)).reused_ids == [1001]
    assert proven(terms(TRADES, NONE), (NOON, [*OLD, *again])).reused_ids == [1001]


def test_the_rows_are_those_of_the_merge() -> None:
    about = terms(TRADES, CONTIGUOUS, RESTART)
    stored = [StoredRecord("BTC-USDT", THE_DAY, one) for one in [*OLD, trade(1002, 60), trade(1001, 59)]]
    rows = RowDigest(about)
    for one in merge_trades(THE_DAY, stored, resets={"BTC-USDT": [RESTART]}):
        rows.add(one.record)
    market = proven(about, (1001, OLD), (EPOCH + 1001, [trade(1002, 60), trade(1001, 59)]))
    assert (market.rows, market.sha256) == (5, rows.sha256)


def test_a_books_eras_follow_each_other_and_tell_their_own_times() -> None:
    about = terms(BOOK_UPDATES, RANGED, Reset(NOON + 10 * SECOND, NOON + 90 * SECOND, 500))
    old: list[BookUpdate | BookSnapshot] = [snapshot(1000, 0), update(1001, 1), update(1003, 40)]
    new: list[BookUpdate | BookSnapshot] = [snapshot(3, 20), update(4, 41), update(6, 95)]
    merged = merge_book(
        THE_DAY,
        [StoredRecord("BTC-USDT", THE_DAY, one) for one in [*new, *old]],
        resets={"BTC-USDT": about.resets},
    )
    assert [(one.record.last_id, one.record.timestamp) for one in merged] == [
        (1000, NOON),
        (1002, NOON + SECOND),
        (3, NOON + 20 * SECOND),
        (1004, NOON + 40 * SECOND),
        (5, NOON + 41 * SECOND),
        (7, NOON + 95 * SECOND),
    ]
    rows = RowDigest(about)
    for one in merged:
        rows.add(one.record)
    market = proven(about, (1000, old), (EPOCH + 3, new))
    assert (market.rows, market.sha256) == (12, rows.sha256)
    assert (market.loss.missing, [type(era) for era in market.loss.epochs]) == ([], [EpochSummary, EpochSummary])
