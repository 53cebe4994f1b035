"""A book that knows when it is not to be trusted."""

import pytest
from msgspec import Raw

from booktape.model.book import Book
from booktape.model.book_replay import BookReplayer
from booktape.model.gap import Gap, GapCause, GapUnit, interleave, time_gap
from booktape.model.records import BOOK_UPDATES, SECOND, BookSnapshot, BookUpdate
from booktape.model.sequence import CHECKSUM, LINKED, NONE, RANGED


def snapshot(
    last: int | None, time: int, origin: str = "stream", *, bid: str = "8", checksum: int | None = None
) -> BookSnapshot:
    return BookSnapshot(
        last_id=last,
        timestamp=time,
        bids=Raw(b'[["%s","1"]]' % bid.encode()),
        asks=Raw(b'[["9","1"]]'),
        checksum=checksum,
        origin=origin,
        local_timestamp=time,
    )


def update(
    last: int | None, time: int, first: int | None = None, previous: int | None = None, *, checksum: int | None = None
) -> BookUpdate:
    """One that sets the bid 7 to the amount of its id."""
    return BookUpdate(
        first_id=first if previous is not None or first is not None else last,
        last_id=last,
        previous_id=previous,
        timestamp=time,
        bids=Raw(b'[["7","%d"]]' % (last or time)),
        asks=Raw(b"[]"),
        checksum=checksum,
        local_timestamp=time,
    )


def bids(rebuilt: BookReplayer) -> list[tuple[str, str]]:
    return rebuilt.book.bids.top()


def test_nothing_is_sound_before_the_first_snapshot() -> None:
    rebuilt = BookReplayer(RANGED)
    assert not rebuilt.apply(update(1, 10))
    assert (bids(rebuilt), rebuilt.as_of, rebuilt.gap) == ([], None, None)


def test_a_snapshot_begins_the_book_and_updates_go_on_from_it() -> None:
    rebuilt = BookReplayer(RANGED)
    assert rebuilt.apply(snapshot(10, 100))
    assert rebuilt.apply(update(11, 110))
    assert (bids(rebuilt), rebuilt.as_of, rebuilt.last_id) == ([("8", "1"), ("7", "11")], 110, 11)


def test_a_gap_voids_the_book_until_the_next_snapshot() -> None:
    rebuilt = BookReplayer(RANGED)
    rebuilt.apply(snapshot(10, 100))
    rebuilt.apply(update(11, 110))
    assert not rebuilt.apply(update(15, 150))
    lost = Gap(GapUnit.ID, 12, 14, GapCause.LOST, BOOK_UPDATES, "", 110, 150)
    assert (rebuilt.gap, rebuilt.missing) == (lost, lost)
    assert not rebuilt.apply(update(16, 160))
    assert (rebuilt.gap, rebuilt.missing) == (None, lost)
    assert rebuilt.apply(snapshot(16, 170, "rest"))
    assert rebuilt.apply(update(17, 180))
    assert (bids(rebuilt), rebuilt.missing) == ([("8", "1"), ("7", "17")], None)


def test_the_first_update_after_a_snapshot_must_join_it() -> None:
    rebuilt = BookReplayer(RANGED)
    rebuilt.apply(snapshot(10, 100, "rest"))
    assert not rebuilt.apply(update(13, 130))
    assert rebuilt.gap is not None
    assert (rebuilt.gap.first, rebuilt.gap.last) == (11, 12)


@pytest.mark.parametrize(
    ("rule", "straddling"), [(RANGED, update(12, 120, first=9)), (LINKED, update(12, 120, previous=9))]
)
def test_an_update_that_a_rest_snapshot_holds_in_part_is_applied_whole(rule: str, straddling: BookUpdate) -> None:
    rebuilt = BookReplayer(rule)
    rebuilt.apply(snapshot(10, 100, "rest"))
    assert rebuilt.apply(straddling)
    assert (rebuilt.gap, bids(rebuilt)) == (None, [("8", "1"), ("7", "12")])


def test_what_is_older_than_the_snapshot_or_a_copy_is_passed_over() -> None:
    rebuilt = BookReplayer(RANGED)
    rebuilt.apply(snapshot(10, 100, "rest"))
    for message in (update(9, 101), update(10, 102), update(11, 103), update(11, 104)):
        assert rebuilt.apply(message)
    assert (bids(rebuilt), rebuilt.as_of) == ([("8", "1"), ("7", "11")], 103)


def test_a_snapshot_from_rest_that_is_older_than_the_book_does_not_turn_it_back() -> None:
    rebuilt = BookReplayer(RANGED)
    rebuilt.apply(snapshot(10, 100))
    rebuilt.apply(update(11, 110))
    assert rebuilt.apply(snapshot(10, 111, "rest", bid="5"))
    assert bids(rebuilt) == [("8", "1"), ("7", "11")]


def test_a_snapshot_makes_up_for_what_is_missing_before_it_but_the_loss_is_told() -> None:
    rebuilt = BookReplayer(RANGED)
    rebuilt.apply(snapshot(10, 100))
    rebuilt.apply(update(11, 110))
    assert rebuilt.apply(snapshot(20, 200, "rest"))
    assert rebuilt.apply(update(21, 210))
    assert rebuilt.gap == Gap(GapUnit.ID, 12, 20, GapCause.LOST, BOOK_UPDATES, "", 110, 210)


def test_ids_that_begin_anew_void_the_book() -> None:
    rebuilt = BookReplayer(RANGED)
    rebuilt.apply(snapshot(1_000, 100))
    rebuilt.apply(update(1_001, 110))
    assert not rebuilt.apply(update(5, 110 + 2 * SECOND))
    assert rebuilt.gap is not None
    assert rebuilt.gap.cause is GapCause.RESET
    assert rebuilt.apply(snapshot(5, 111 + 2 * SECOND, "rest"))
    assert rebuilt.apply(update(6, 112 + 2 * SECOND))


def test_a_message_without_its_number_voids_the_book() -> None:
    rebuilt = BookReplayer(LINKED)
    rebuilt.apply(snapshot(10, 100))
    assert not rebuilt.apply(update(None, 110))


def test_what_would_be_missing_is_told_without_changing_the_book() -> None:
    rebuilt = BookReplayer(RANGED)
    rebuilt.apply(snapshot(10, 100))
    lost = rebuilt.gap_before(update(12, 120))
    assert lost is not None
    assert (lost.first, lost.last) == (11, 11)
    assert rebuilt.gap_before(update(11, 110)) is None
    assert rebuilt.apply(update(11, 110))


def test_where_nothing_is_numbered_others_tell_what_is_missing() -> None:
    """A snapshot inside the lost time says nothing of the rest of it."""
    rebuilt = BookReplayer(NONE)
    lost = time_gap(BOOK_UPDATES, "", 50 * SECOND, 100 * SECOND, GapCause.DOWN)
    assert rebuilt.apply(snapshot(None, 10 * SECOND))
    rebuilt.lose(lost)
    assert (rebuilt.sound, rebuilt.missing) == (False, lost)
    assert not rebuilt.apply(snapshot(None, 60 * SECOND))
    assert rebuilt.apply(snapshot(None, 100 * SECOND))
    assert rebuilt.missing is None


class Depth:
    """A checksum: how many bids there are, of two levels a side."""

    depth = 2

    def compute(self, book: Book, /) -> int:
        return len(book.bids)


def test_a_wrong_checksum_voids_the_book_and_a_right_one_does_not() -> None:
    rebuilt = BookReplayer(CHECKSUM, Depth())
    assert rebuilt.apply(snapshot(None, 100, checksum=1))
    assert rebuilt.apply(update(None, 110, checksum=2))
    assert not rebuilt.apply(update(None, 120, checksum=1))
    assert rebuilt.gap == time_gap(BOOK_UPDATES, "", 110, 120, GapCause.CHECKSUM)
    assert not rebuilt.apply(update(None, 130, checksum=2))


def test_a_loss_stands_before_the_first_record_that_is_later() -> None:
    early, late = (time_gap("trades", "", start, end, GapCause.DOWN) for start, end in ((2, 3), (9, 12)))
    placed = interleave([1, 2, 3, 5], [late, early], lambda number: number)
    assert list(placed) == [1, 2, early, 3, 5, late]
