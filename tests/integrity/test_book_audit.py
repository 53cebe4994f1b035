"""What is proven of a book's day, from messages that are written out."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from booktape.integrity.certificate import SnapshotMismatch
from booktape.integrity.certificate_builder import build_market
from booktape.model.gap import Gap, GapUnit
from booktape.model.records import BOOK_UPDATES, DAY, SECOND, BookUpdate, Record
from booktape.model.uptime import StreamInterval, StreamUptime
from tests.integrity.auditing import MIDNIGHT, PRIMARY, REPLICA, proven, snapshot, terms, update

subsets = st.sets(st.sampled_from(range(1, 60)))


def test_book_messages_that_are_cut_differently_cover_each_others_ids() -> None:
    market = proven(
        [(PRIMARY, [update(1, 5), update(9, 10)]), (REPLICA, [update(1, 3), update(4, 7)])],
        terms(BOOK_UPDATES, "ranged"),
    )
    assert (market.loss.missing, market.loss.expected, market.loss.present) == ([(8, 8)], 10, 9)


def test_a_message_that_ends_later_takes_back_a_gap_that_it_covers() -> None:
    market = proven([(PRIMARY, [update(1, 2), update(5, 6)]), (REPLICA, [update(3, 7)])], terms(BOOK_UPDATES, "ranged"))
    assert market.loss.missing == []


def test_a_snapshot_in_the_stream_makes_up_for_what_is_missing_before_it() -> None:
    market = proven(
        [(PRIMARY, [update(1, 2), update(9, 9)]), (PRIMARY, [snapshot(6, b"[]", b"[]", "stream")])],
        terms(BOOK_UPDATES, "ranged"),
    )
    assert (market.loss.missing, market.loss.resumed_ids) == ([(3, 8)], [(3, 6)])


def test_a_broken_link_is_told_by_the_ids_on_both_its_sides() -> None:
    market = proven(
        [(PRIMARY, [update(0, 10, 5), update(0, 20, 10), update(0, 40, 30)]), (REPLICA, [update(0, 20, 10)])],
        terms(BOOK_UPDATES, "linked"),
    )
    assert market.loss.broken_links == [Gap(GapUnit.LINK, 21, 39)]
    assert (market.loss.expected, market.loss.present) == (3, 2)


def test_a_link_that_only_the_other_system_has_is_not_broken() -> None:
    market = proven(
        [(PRIMARY, [update(0, 10, 5), update(0, 40, 30)]), (REPLICA, [update(0, 30, 10)])],
        terms(BOOK_UPDATES, "linked"),
    )
    assert (market.loss.broken_links, market.loss.expected, market.loss.present) == ([], 2, 2)


def test_messages_linked_past_each_other_leave_nothing_out() -> None:
    market = proven(
        [(PRIMARY, [update(0, 10, 5), update(0, 20, 10), update(0, 30, 20)]), (REPLICA, [update(0, 25, 15)])],
        terms(BOOK_UPDATES, "linked"),
    )
    assert market.loss.broken_links == []


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
    assert (market.book.snapshots, market.book.snapshots_compared, market.book.snapshots_differing) == (2, 1, 0)


def test_a_later_snapshot_that_differs_is_named() -> None:
    market = proven(
        [
            (PRIMARY, [update(2, 3, bids=b'[["9","0"]]')]),
            (PRIMARY, [snapshot(1, *BOOK), snapshot(3, b'[["9","1"],["8","1"]]', BOOK[1])]),
        ],
        terms(BOOK_UPDATES, "ranged"),
    )
    assert market.book is not None
    assert (market.book.snapshots_differing, market.book.first_mismatch) == (
        1,
        SnapshotMismatch(id=3, time=MIDNIGHT + 3 * SECOND),
    )


def test_a_snapshot_may_hold_a_part_of_the_message_after_it() -> None:
    """Its id lies within the message's: the message's prices prove nothing, the others do."""
    batches: list[tuple[int, list[Record]]] = [
        (PRIMARY, [update(2, 5, bids=b'[["9","0"]]')]),
        (PRIMARY, [snapshot(1, *BOOK), snapshot(3, b'[["8","1"]]', BOOK[1])]),
    ]
    market = proven(batches, terms(BOOK_UPDATES, "ranged"))
    assert market.book is not None
    assert (market.book.snapshots_compared, market.book.snapshots_differing) == (1, 0)


def test_a_snapshot_may_hold_a_part_of_a_linked_message_after_it() -> None:
    """Its id lies between that of the message before and the message's own."""
    batches: list[tuple[int, list[Record]]] = [
        (PRIMARY, [update(0, 2, 1), update(0, 5, 2, bids=b'[["9","0"]]'), update(0, 7, 5)]),
        (PRIMARY, [snapshot(1, *BOOK), snapshot(3, b'[["8","1"]]', BOOK[1])]),
    ]
    market = proven(batches, terms(BOOK_UPDATES, "linked"))
    assert market.book is not None
    assert (market.book.snapshots_compared, market.book.snapshots_differing) == (1, 0)
    batches[1] = (PRIMARY, [snapshot(1, *BOOK), snapshot(3, b'[["8","2"]]', BOOK[1])])
    market = proven(batches, terms(BOOK_UPDATES, "linked"))
    assert market.book is not None
    assert (market.book.snapshots_compared, market.book.snapshots_differing) == (1, 1)


def test_a_book_over_rest_does_not_say_that_somebody_listened() -> None:
    """Nobody heard the stream before its first update: a book that was fetched meanwhile leaves the edge unknown."""
    cut = [
        StreamInterval("connected", MIDNIGHT, MIDNIGHT + 10 * SECOND),
        StreamInterval("down", MIDNIGHT + 10 * SECOND, MIDNIGHT + 50 * SECOND),
        StreamInterval("connected", MIDNIGHT + 50 * SECOND, MIDNIGHT + DAY),
    ]
    listened = [StreamInterval("connected", MIDNIGHT, MIDNIGHT + DAY)]
    for states, known in ((cut, False), (listened, True)):
        line = StreamUptime(
            data_type=BOOK_UPDATES, market="BTC-USDT", instance="a", start=MIDNIGHT, end=MIDNIGHT + DAY,
            states=states, gaps=[], batches=[], over=True,
        )  # fmt: skip
        market = proven(
            [(PRIMARY, [update(60, 60)]), (PRIMARY, [snapshot(5, *BOOK)])],
            terms(BOOK_UPDATES, "ranged"),
            ledger=[[line]],
        )
        assert market.loss.start.known is known


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


def test_of_linked_messages_a_lost_day_breaks_one_link() -> None:
    after = BookUpdate(
        last_id=40,
        previous_id=30,
        timestamp=MIDNIGHT + DAY,
        bids=Raw(b"[]"),
        asks=Raw(b"[]"),
        local_timestamp=MIDNIGHT + DAY,
    )
    market = proven([(PRIMARY, [after])], terms(BOOK_UPDATES, "linked"), before=20)
    assert (market.loss.start.broken_links, build_market(market).edges.count()) == ([Gap(GapUnit.LINK, 21, 39)], 1)


def test_records_are_counted_once_and_those_without_a_number_are_told() -> None:
    unnumbered = BookUpdate(
        timestamp=MIDNIGHT + 3 * SECOND, bids=Raw(b"[]"), asks=Raw(b"[]"), local_timestamp=MIDNIGHT + 3 * SECOND
    )
    both = [update(1, 2), unnumbered]
    market = proven([(PRIMARY, both), (REPLICA, both)], terms(BOOK_UPDATES, "ranged"))
    assert (market.records, market.unnumbered, market.rows) == (2, 1, 1)
