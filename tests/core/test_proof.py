"""What is proven of a market's day, from records that are written out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from hashlib import sha256
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from booktape.core import csv
from booktape.core.ledger import Gap, Line, State
from booktape.core.merge import Stored
from booktape.core.proof import Evidence, Market, prove
from booktape.core.proof_loss import Edge, Link
from booktape.core.proof_order import Part
from booktape.core.proof_terms import Terms
from booktape.core.proof_text import present, share
from booktape.core.records import (
    BOOK_UPDATES,
    DAY,
    MINUTE,
    SECOND,
    TRADES,
    BookSnapshot,
    BookUpdate,
    Record,
    Trade,
    first_position,
)

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


def terms(data_type: str = TRADES, rule: str = "contiguous") -> Terms:
    return Terms("binance", "BTC-USDT", data_type, rule, THE_DAY, range(MIDNIGHT, MIDNIGHT + DAY))


def proven(
    batches: Batches,
    about: Terms | None = None,
    before: int | None = None,
    ledger: Iterable[Sequence[Line]] = (),
) -> Market:
    """Prove stored batches, each of (system, records)."""
    stored = list(batches)
    parts = [Part(first_position(records[0]), system, True, partial(list, records)) for system, records in stored]
    held: list[list[Stored[Any]]] = [
        [Stored("BTC-USDT", THE_DAY, record) for system, records in stored if system == one for record in records]
        for one in (PRIMARY, REPLICA, REST)
    ]
    return prove(about or terms(), Evidence(parts, before, ledger, lambda: held))


def test_what_one_system_lacks_the_other_heals() -> None:
    market = proven(
        [
            (PRIMARY, [trade(n) for n in (1, 2, 5, 6)]),
            (REPLICA, [trade(n) for n in (2, 3, 4, 5)]),
            (REST, [trade(8)]),
        ]
    )
    assert (market.rows, market.loss.first, market.loss.last) == (7, 1, 8)
    assert (market.loss.expected, market.loss.seen, market.loss.missing) == (8, 7, [(7, 7)])
    found = market.agreement
    assert (found.both, found.primary_only, found.replica_only, found.disagree) == (2, 2, 2, 0)
    assert (found.by_replica, found.by_rest) == (2, 1)


def test_a_trade_that_the_systems_tell_differently_is_a_disagreement() -> None:
    market = proven([(PRIMARY, [trade(1), trade(2)]), (REPLICA, [trade(1), trade(2, amount="0.6")])])
    found = market.agreement
    assert (found.both, found.primary_only, found.replica_only, found.disagree) == (1, 0, 0, 1)
    assert (market.rows, found.disagreeing) == (2, [2])


def test_an_ordinary_day_is_never_held_whole() -> None:
    """Also where ids begin at 0: only what does not fit into the window of time may cost that memory."""

    def never() -> list[list[Stored[Trade]]]:
        raise AssertionError("all of the day's records were asked for")

    parts = [Part(batch[0].timestamp, PRIMARY, True, partial(list, batch)) for batch in minutes(range(60))]
    numbered = [replace(part, begins=number * 10) for number, part in enumerate(parts)]
    assert prove(terms(), Evidence(numbered, None, [], never)).rows == 60


def test_a_day_whose_times_run_against_its_ids_is_held_whole_and_proven_all_the_same() -> None:
    late = [trade(1), trade(2, MIDNIGHT + 30 * MINUTE), trade(3, MIDNIGHT + 40 * MINUTE), trade(4)]
    market = proven([(PRIMARY, late)])
    in_file = [late[0], late[3], late[1], late[2]]
    lines = csv.text(TRADES, [row for one in in_file for row in csv.rows("binance", "BTC-USDT", one)])
    assert market.sha256 == sha256(lines.partition("\n")[2].encode()).hexdigest()


def test_ids_that_the_venue_used_up_are_void_and_not_missing() -> None:
    market = proven([(PRIMARY, [trade(1), trade(2, amount="0.000"), trade(3)])])
    assert (market.rows, market.void, market.loss.missing) == (2, [(2, 2)], [])


def test_an_id_that_the_venues_time_puts_into_the_day_before_is_not_missing() -> None:
    market = proven([(PRIMARY, [trade(1), trade(2, MIDNIGHT - 1), trade(3)])])
    assert (market.rows, market.loss.elsewhere, market.loss.missing) == (2, [(2, 2)], [])


def test_the_edges_are_unknown_without_a_neighbouring_day() -> None:
    market = proven([(PRIMARY, [trade(5), trade(6)])])
    assert (market.loss.start, market.loss.end) == (Edge(known=False), Edge(known=False))


def test_what_is_missing_between_two_days_is_told_at_the_edge_and_counts() -> None:
    market = proven([(PRIMARY, [trade(5), trade(6), trade(9, MIDNIGHT + DAY)])], before=2)
    assert market.loss.start == Edge(known=True, missing=[(3, 4)])
    assert market.loss.end == Edge(known=True, missing=[(7, 8)])
    assert market.loss.missing == []
    assert (present([market.loss]).seen, present([market.loss]).expected, present([market.loss]).share) == (
        2, 6, "0.333333",
    )  # fmt: skip


def line(*states: State, gaps: Sequence[Gap] = (), instance: str = "a") -> Line:
    return Line(TRADES, "BTC-USDT", instance, states[0].start, states[-1].end, list(states), list(gaps), [])


def test_edges_are_known_where_somebody_listened_all_the_time() -> None:
    market = proven(
        [(PRIMARY, [trade(5), trade(6)])], ledger=[[line(State("connected", MIDNIGHT, MIDNIGHT + 10 * SECOND))]]
    )
    assert (market.loss.start.known, market.loss.end.known) == (True, False)


def test_downtime_is_when_no_instance_was_connected_and_sound() -> None:
    one = line(
        State("connected", MIDNIGHT, MIDNIGHT + 100),
        State("down", MIDNIGHT + 100, MIDNIGHT + 300),
        State("connected", MIDNIGHT + 300, MIDNIGHT + 1_000),
        gaps=[Gap(MIDNIGHT + 500, MIDNIGHT + 599, "counter", MIDNIGHT + 600)],
    )
    other = line(
        State("connected", MIDNIGHT, MIDNIGHT + 200),
        State("resyncing", MIDNIGHT + 200, MIDNIGHT + 550),
        State("connected", MIDNIGHT + 550, MIDNIGHT + 1_000),
        instance="b",
    )
    down = proven([(PRIMARY, [trade(1)])], ledger=[[one], [other]]).downtime
    assert down.down == [(MIDNIGHT + 200, MIDNIGHT + 300), (MIDNIGHT + 500, MIDNIGHT + 550)]
    assert down.unknown == [(MIDNIGHT + 1_000, MIDNIGHT + DAY)]
    assert down.breaks == 1


def test_without_a_ledger_the_whole_day_is_unknown() -> None:
    assert proven([(PRIMARY, [trade(1)])]).downtime.unknown == [(MIDNIGHT, MIDNIGHT + DAY)]


def test_book_messages_that_are_cut_differently_cover_each_others_ids() -> None:
    market = proven(
        [(PRIMARY, [update(1, 5), update(9, 10)]), (REPLICA, [update(1, 3), update(4, 7)])],
        terms(BOOK_UPDATES, "ranged"),
    )
    assert (market.loss.missing, market.loss.expected, market.loss.seen) == ([(8, 8)], 10, 9)


def test_a_message_that_ends_later_takes_back_a_gap_that_it_covers() -> None:
    market = proven([(PRIMARY, [update(1, 2), update(5, 6)]), (REPLICA, [update(3, 7)])], terms(BOOK_UPDATES, "ranged"))
    assert market.loss.missing == []


def test_a_snapshot_in_the_stream_makes_up_for_what_is_missing_before_it() -> None:
    market = proven(
        [(PRIMARY, [update(1, 2), update(9, 9)]), (PRIMARY, [snapshot(6, b"[]", b"[]", "stream")])],
        terms(BOOK_UPDATES, "ranged"),
    )
    assert (market.loss.missing, market.loss.resumed) == ([(3, 8)], [(3, 6)])


def test_a_broken_link_is_told_by_the_ids_on_both_its_sides() -> None:
    market = proven(
        [(PRIMARY, [update(0, 10, 5), update(0, 20, 10), update(0, 40, 30)]), (REPLICA, [update(0, 20, 10)])],
        terms(BOOK_UPDATES, "linked"),
    )
    assert market.loss.links == [Link(20, 40)]
    assert (market.loss.expected, market.loss.seen) == (3, 2)


def test_a_link_that_only_the_other_system_has_is_not_broken() -> None:
    market = proven(
        [(PRIMARY, [update(0, 10, 5), update(0, 40, 30)]), (REPLICA, [update(0, 30, 10)])],
        terms(BOOK_UPDATES, "linked"),
    )
    assert (market.loss.links, market.loss.expected, market.loss.seen) == ([], 2, 2)


def test_messages_linked_past_each_other_leave_nothing_out() -> None:
    market = proven(
        [(PRIMARY, [update(0, 10, 5), update(0, 20, 10), update(0, 30, 20)]), (REPLICA, [update(0, 25, 15)])],
        terms(BOOK_UPDATES, "linked"),
    )
    assert market.loss.links == []


BOOK = (b'[["9","1"],["8","1"]]', b'[["11","1"],["12","1"]]')


def test_a_later_snapshot_that_is_as_the_rebuilt_book_is_no_difference() -> None:
    market = proven(
        [
            (PRIMARY, [update(2, 3, bids=b'[["9","0"],["8.5","2"]]')]),
            (PRIMARY, [snapshot(1, *BOOK), snapshot(3, b'[["8.5","2.0"],["8","1"],["7","5"]]', BOOK[1])]),
        ],
        terms(BOOK_UPDATES, "ranged"),
    )
    assert market.book is not None
    assert (market.book.snapshots, market.book.compared, market.book.differing) == (2, 1, 0)


def test_a_later_snapshot_that_differs_is_named() -> None:
    market = proven(
        [
            (PRIMARY, [update(2, 3, bids=b'[["9","0"]]')]),
            (PRIMARY, [snapshot(1, *BOOK), snapshot(3, b'[["9","1"],["8","1"]]', BOOK[1])]),
        ],
        terms(BOOK_UPDATES, "ranged"),
    )
    assert market.book is not None
    assert (market.book.differing, market.book.mismatch) == (1, (3, MIDNIGHT + 3 * SECOND))


def test_a_snapshot_may_hold_a_part_of_the_message_after_it() -> None:
    """Its id lies within the message's: the message's prices prove nothing, the others do."""
    batches: list[tuple[int, list[Record]]] = [
        (PRIMARY, [update(2, 5, bids=b'[["9","0"]]')]),
        (PRIMARY, [snapshot(1, *BOOK), snapshot(3, b'[["8","1"]]', BOOK[1])]),
    ]
    market = proven(batches, terms(BOOK_UPDATES, "ranged"))
    assert market.book is not None
    assert (market.book.compared, market.book.differing) == (1, 0)


def test_messages_after_which_the_book_is_crossed_are_counted() -> None:
    market = proven(
        [
            (PRIMARY, [update(2, 2, bids=b'[["11","1"]]'), update(3, 3, bids=b'[["11","0"]]')]),
            (PRIMARY, [snapshot(1, *BOOK)]),
        ],
        terms(BOOK_UPDATES, "ranged"),
    )
    assert market.book is not None
    assert market.book.crossed == 1


def test_what_no_number_shows_is_unverifiable_and_never_whole() -> None:
    market = proven([(PRIMARY, [trade(1), trade(9)])], terms(TRADES, "monotonic"))
    assert (market.why, market.loss.expected, market.rows) == ("monotonic only", None, 2)


def test_shares_are_rounded_down() -> None:
    assert [share(1, 1), share(9_999_999, 10_000_000), share(2, 3), share(0, 5)] == [
        "1.000000", "0.999999", "0.666666", "0.000000",
    ]  # fmt: skip


def minutes(numbers: Iterable[int]) -> list[list[Trade]]:
    """Batches of trades as a collector cuts them: ten trades to a minute."""
    found: dict[int, list[Trade]] = {}
    for number in sorted(numbers):
        found.setdefault(number // 10, []).append(trade(number, MIDNIGHT + number * MINUTE // 10))
    return list(found.values())


NUMBERS = range(1, 60)
subsets = st.sets(st.sampled_from(NUMBERS))


@given(subsets, subsets, subsets)
def test_whatever_each_system_lost_missing_is_exactly_what_all_lack(
    primary: set[int], replica: set[int], rest: set[int]
) -> None:
    """The edges too: the days before and after are there."""
    kept = [set(NUMBERS) - primary, set(NUMBERS) - replica, rest]
    after = trade(60, MIDNIGHT + DAY + 1)
    batches = [(system, batch) for system, numbers in enumerate(kept) for batch in minutes(numbers)]
    market = proven([*batches, (PRIMARY, [after])], before=0)
    there = kept[0] | kept[1] | kept[2]
    lacking = sorted(set(NUMBERS) - there)
    loss = market.loss
    told = sorted((*loss.start.missing, *loss.missing, *loss.end.missing))
    if there:
        assert [number for first, last in told for number in range(first, last + 1)] == lacking
        assert present([loss]).seen == len(there)
    found = market.agreement
    assert found.both == len(kept[0] & kept[1])
    assert (found.primary_only, found.replica_only) == (len(kept[0] - kept[1]), len(kept[1] - kept[0]))
    assert found.by_rest == len(kept[2] - kept[0] - kept[1])
    assert market.rows == len(there)


@given(subsets, subsets, st.randoms())
def test_of_books_too_whatever_messages_each_system_cut_and_lost(
    primary: set[int], replica: set[int], random: Random
) -> None:
    def cut(lost: set[int]) -> list[BookUpdate]:
        """One connection's messages over the ids 1 to 60, cut anywhere, without some of them."""
        ends = sorted({*random.sample(range(1, 61), 12), 60})
        spans = zip([1, *(end + 1 for end in ends)], ends, strict=False)
        return [update(first, last) for first, last in spans if last not in lost]

    kept = [cut(primary), cut(replica)]
    covered = {n for messages in kept for u in messages for n in range(u.first_id or 0, (u.last_id or 0) + 1)}
    batches = [(system, messages) for system, messages in enumerate(kept) if messages]
    market = proven(batches, terms(BOOK_UPDATES, "ranged"))
    if covered:
        inside = set(range(min(covered), max(covered) + 1))
        told = [n for first, last in market.loss.missing for n in range(first, last + 1)]
        assert told == sorted(inside - covered)
