"""Sequence rules: what each kind of numbering can tell about loss."""

from collections.abc import Sequence

import pytest
from msgspec import Raw

from booktape.model.book import Book
from booktape.model.gap import Gap, GapCause, GapUnit
from booktape.model.records import BookSnapshot, BookUpdate, Quote, Trade
from booktape.model.sequence import (
    DUPLICATE,
    Checksum,
    Contiguous,
    Linked,
    Monotonic,
    Ranged,
    Rule,
    UnnumberedRecordError,
    Verdict,
)

NEXT = None


def trade(identifier: int | str) -> Trade:
    return Trade(identifier, 0, "buy", "1", "1", 0)


def update(first: int | None, last: int | None, previous: int | None = None) -> BookUpdate:
    return BookUpdate(
        first_id=first, last_id=last, previous_id=previous, bids=Raw(b"[]"), asks=Raw(b"[]"), local_timestamp=0
    )


def quote(identifier: int | None) -> Quote:
    return Quote(identifier, None, "1", "1", "2", "1", 0)


def verdicts(rule: Rule, records: Sequence[object]) -> list[Verdict]:
    return [rule.check(record) for record in records]


def test_contiguous_ids_show_every_missing_one_by_name() -> None:
    ids = [5, 6, 9, 10, 11]
    assert verdicts(Contiguous(), [trade(i) for i in ids]) == [NEXT, NEXT, Gap(GapUnit.ID, 7, 8), NEXT, NEXT]


def test_contiguous_ids_seen_before_are_stale_and_do_not_move_the_sequence_back() -> None:
    assert verdicts(Contiguous(), [trade(i) for i in [5, 6, 5, 6, 7]]) == [NEXT, NEXT, DUPLICATE, DUPLICATE, NEXT]


def test_ranges_join_when_each_begins_after_the_last() -> None:
    assert verdicts(Ranged(), [update(1, 4), update(5, 5), update(6, 9)]) == [NEXT, NEXT, NEXT]


def test_a_missing_range_is_a_gap_from_the_last_id_to_the_next_first() -> None:
    assert verdicts(Ranged(), [update(1, 4), update(8, 9)]) == [NEXT, Gap(GapUnit.ID, 5, 7)]


def test_a_range_that_was_seen_is_stale_and_one_that_is_new_at_its_end_is_kept() -> None:
    assert verdicts(Ranged(), [update(1, 9), update(3, 9), update(7, 12), update(13, 13)]) == [
        NEXT,
        DUPLICATE,
        NEXT,
        NEXT,
    ]


def test_links_join_when_each_names_the_one_before() -> None:
    messages = [update(None, 100, 90), update(None, 130, 100), update(None, 131, 130)]
    assert verdicts(Linked(), messages) == [NEXT, NEXT, NEXT]


def test_a_broken_link_is_a_gap_that_names_the_message_that_was_not_seen() -> None:
    messages = [update(None, 100, 90), update(None, 150, 130), update(None, 120, 100)]
    assert verdicts(Linked(), messages) == [NEXT, Gap(GapUnit.LINK, 101, 130), DUPLICATE]


def test_rising_ids_show_copies_but_no_loss() -> None:
    assert verdicts(Monotonic(), [quote(i) for i in [10, 25, 25, 24, 90]]) == [NEXT, NEXT, DUPLICATE, DUPLICATE, NEXT]


@pytest.mark.parametrize(
    ("rule", "record"),
    [
        (Contiguous(), trade("a-uuid")),
        (Ranged(), update(None, 3)),
        (Linked(), update(1, 2)),
        (Monotonic(), quote(None)),
    ],
)
def test_a_record_without_the_numbers_that_its_rule_needs_is_refused(rule: Rule, record: object) -> None:
    with pytest.raises(UnnumberedRecordError):
        rule.check(record)


class TestChecksum:
    """A venue whose books carry a checksum; here, simply the number of levels."""

    @staticmethod
    def rule() -> Checksum:
        def levels(book: Book) -> int:
            return len(book.bids) + len(book.asks)

        return Checksum(levels, depth=2)

    @staticmethod
    def snapshot(bids: bytes, checksum: int | None, time: int = 0) -> BookSnapshot:
        return BookSnapshot(
            timestamp=time, bids=Raw(bids), asks=Raw(b"[]"), checksum=checksum, origin="stream", local_timestamp=0
        )

    @staticmethod
    def message(bids: bytes, checksum: int | None, time: int) -> BookUpdate:
        return BookUpdate(timestamp=time, bids=Raw(bids), asks=Raw(b"[]"), checksum=checksum, local_timestamp=0)

    def test_right_checksums_pass_and_are_counted(self) -> None:
        rule = self.rule()
        assert rule.check(self.snapshot(b'[["1","1"]]', 1, time=10)) is NEXT
        assert rule.check(self.message(b'[["2","1"]]', 2, time=20)) is NEXT
        assert (rule.checked, rule.failed) == (2, 0)

    def test_the_book_is_cut_to_its_depth_before_the_checksum(self) -> None:
        rule = self.rule()
        rule.check(self.snapshot(b'[["1","1"],["2","1"],["3","1"]]', 2, time=10))
        assert (rule.checked, rule.failed) == (1, 0)

    def test_a_wrong_checksum_is_one_gap_since_the_last_right_one(self) -> None:
        rule = self.rule()
        rule.check(self.snapshot(b'[["1","1"]]', 1, time=10))
        assert rule.check(self.message(b'[["2","1"]]', 9, time=30)) == Gap(GapUnit.TIME, 10, 30, GapCause.CHECKSUM)

    def test_after_a_wrong_one_nothing_is_checked_until_the_next_snapshot(self) -> None:
        rule = self.rule()
        rule.check(self.snapshot(b"[]", 9, time=10))
        assert rule.check(self.message(b"[]", 5, time=40)) is NEXT
        assert (rule.checked, rule.failed, rule.unchecked) == (1, 1, 1)
        assert rule.check(self.snapshot(b"[]", 0, time=50)) is NEXT
        assert (rule.checked, rule.failed) == (2, 1)

    def test_a_message_before_any_snapshot_cannot_be_checked(self) -> None:
        rule = self.rule()
        assert rule.check(self.message(b"[]", 123, time=1)) is NEXT
        assert (rule.checked, rule.unchecked) == (0, 1)
