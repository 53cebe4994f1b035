"""The book at the day's end: told only where it is known to be right."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from booktape.integrity.audit import Evidence, MarketAudit, audit_market
from booktape.integrity.ordering import ObjectRecords
from booktape.merge.reference import StoredRecord
from booktape.model.records import BOOK_UPDATES, DAY, SECOND, BookSnapshot, BookUpdate, Record, first_position, levels
from booktape.model.uptime import StreamInterval, StreamUptime
from tests.integrity.auditing import MIDNIGHT, THE_DAY, snapshot, terms, update

TERMS = terms(BOOK_UPDATES, "ranged")
BEGIN = snapshot(3, b'[["9","1"],["8","1"]]', b'[["10","1"]]')


LISTENED = StreamUptime(
    data_type=BOOK_UPDATES,
    market="BTC-USDT",
    instance="a",
    start=MIDNIGHT,
    end=MIDNIGHT + DAY,
    states=[StreamInterval("connected", MIDNIGHT, MIDNIGHT + DAY)],
    gaps=[],
    batches=[],
    over=True,
)


def proven(*records: Record, after: Sequence[Record] = (), ledger: Sequence[StreamUptime] = ()) -> MarketAudit:
    """A day of one system's records, and those of the day after in the next day's first object."""
    parts = [ObjectRecords(first_position(record), 0, True, partial(list, [record])) for record in records]
    parts += [ObjectRecords(first_position(record), 0, False, partial(list, [record])) for record in after]
    held: list[list[StoredRecord[Any]]] = [[StoredRecord("BTC-USDT", THE_DAY, record) for record in records], [], []]
    return audit_market(TERMS, Evidence(parts, None, [ledger] if ledger else [], lambda: held))


def tomorrow(number: int) -> BookUpdate:
    message = update(number, number)
    later = MIDNIGHT + DAY + number * SECOND
    return BookUpdate(
        first_id=number,
        last_id=number,
        timestamp=later,
        bids=message.bids,
        asks=message.asks,
        local_timestamp=later,
    )


def test_the_book_after_the_last_update_is_the_next_days_first_snapshot() -> None:
    last = update(4, 5, bids=b'[["9","0"],["8","2"],["7","3"]]')
    book = proven(BEGIN, last, after=[tomorrow(6)]).end_of_day
    assert isinstance(book, BookSnapshot)
    assert (book.origin, book.last_id, book.timestamp) == ("derived", 5, MIDNIGHT + DAY)
    # The snapshot told the bids down to 8; what else lies below, besides 7, nobody knows.
    assert (levels(book.bids), levels(book.asks)) == ([("8", "2")], [("10", "1")])


def test_where_nobody_knows_what_came_after_the_last_update_there_is_none() -> None:
    assert proven(BEGIN, update(4, 5)).end_of_day is None
    assert proven(BEGIN, update(4, 5), after=[tomorrow(8)]).end_of_day is None


def test_somebody_who_listened_to_midnight_knows_that_nothing_came() -> None:
    assert proven(BEGIN, update(4, 5), ledger=[LISTENED]).end_of_day is not None


def test_whoever_listened_a_hole_that_the_next_day_shows_is_one() -> None:
    assert proven(BEGIN, update(4, 5), after=[tomorrow(8)], ledger=[LISTENED]).end_of_day is None


def test_updates_that_do_not_go_on_from_the_snapshot_make_no_book() -> None:
    assert proven(BEGIN, update(5, 6), after=[tomorrow(7)]).end_of_day is None
    assert proven(BEGIN, update(2, 6), after=[tomorrow(7)]).end_of_day is not None


def test_an_empty_snapshot_vouches_for_nothing() -> None:
    assert proven(BEGIN, update(4, 5), snapshot(5, b"[]", b"[]"), update(6, 6), after=[tomorrow(7)]).end_of_day is None


def test_after_a_loss_only_a_later_snapshot_makes_the_book_known_again() -> None:
    lost: list[Record] = [BEGIN, update(4, 5), update(8, 9)]
    assert proven(*lost, after=[tomorrow(10)]).end_of_day is None
    again = snapshot(9, b'[["9","5"]]', b'[["10","5"]]')
    book = proven(*lost, again, update(10, 11), after=[tomorrow(12)]).end_of_day
    assert book is not None
    assert (book.last_id, levels(book.asks)) == (11, [("10", "5")])


def test_a_crossed_book_and_one_without_a_snapshot_are_not_known() -> None:
    assert proven(BEGIN, update(4, 5, bids=b'[["11","1"]]'), after=[tomorrow(6)]).end_of_day is None
    assert proven(update(4, 5), after=[tomorrow(6)]).end_of_day is None
