"""One connection takes over from another: whatever they deliver when, the tape has each record once and in order."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from booktape.capture.handover import Handover
from booktape.capture.pipeline import ConnectionFeed, Pipeline
from booktape.exchanges import exchange
from booktape.exchanges.spec import Channel, Exchange, Message
from booktape.model import codec, sequence
from booktape.model.batch import Batch
from booktape.model.gap import Gap, GapCause
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    QUOTES,
    SECOND,
    TRADES,
    BookSnapshot,
    BookUpdate,
    Quote,
    Record,
    Trade,
    identity,
)

START = 1_700_000_000_000_000
NOTHING = Raw(b"[]")


@dataclass(frozen=True)
class Kind:
    """A kind of stream: its channel, and its n-th record (n from 1) as a connection that receives it would store it."""

    channel: Channel
    data_type: str
    record: Callable[[int], Record]
    snapshot: Callable[[int], Record] | None = None

    def message(self, number: int) -> Message:
        return (self.data_type, "X", START + number, self.record(number))

    def first(self, number: int) -> list[Message]:
        """What a new subscription begins with when ``number`` records were sent so far."""
        if self.snapshot is None:
            return []
        return [(BOOK_SNAPSHOTS, "X", START + number, self.snapshot(number))]


def trade(number: int, *, time: int | None = None, id: int | str | None = None) -> Trade:
    timestamp = START + (number if time is None else time)
    return Trade(number if id is None else id, timestamp, "buy", "1", "1", START + number)


def update(number: int, **ids: Any) -> BookUpdate:
    bids = Raw(b'[["%d","1"]]' % number)
    return BookUpdate(bids=bids, asks=NOTHING, timestamp=START + number, local_timestamp=START + number, **ids)


def snapshot(number: int, **ids: Any) -> BookSnapshot:
    return BookSnapshot(
        bids=NOTHING, asks=NOTHING, timestamp=START + number, origin="stream", local_timestamp=START + number, **ids
    )


BOTH = (BOOK_SNAPSHOTS, BOOK_UPDATES)
KINDS = {
    "contiguous trades": Kind(Channel("t", (TRADES,), sequence.CONTIGUOUS), TRADES, trade),
    "trades by time": Kind(
        Channel("t", (TRADES,), sequence.NONE), TRADES, lambda number: trade(number, id=f"id{number}")
    ),
    "several trades at a time": Kind(
        Channel("t", (TRADES,), sequence.NONE), TRADES, lambda n: trade(n, id=f"id{n}", time=n // 3)
    ),
    "linked book": Kind(
        Channel("b", BOTH, sequence.LINKED),
        BOOK_UPDATES,
        lambda n: update(n, previous_id=10 * n - 10, last_id=10 * n),
        lambda n: snapshot(n, last_id=10 * n),
    ),
    "ranged book": Kind(
        Channel("b", BOTH, sequence.RANGED),
        BOOK_UPDATES,
        lambda n: update(n, first_id=3 * n, last_id=3 * n + 2),
        lambda n: snapshot(n, last_id=3 * n + 2),
    ),
    "book by time": Kind(Channel("b", BOTH, sequence.NONE), BOOK_UPDATES, update, snapshot),
    "quotes": Kind(
        Channel("q", (QUOTES,), sequence.MONOTONIC),
        QUOTES,
        lambda n: Quote(7 * n, None, "1", "1", "2", "1", START + n),
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


class World:
    """A venue that sends records 1, 2, 3… and two connections, each of which delivers them when it is told to."""

    def __init__(self, kind: Kind, before: int, subscribed_at: int) -> None:
        self.kind = kind
        self.batches: list[Batch] = []
        self.gaps: list[Gap] = []
        venue: Exchange = replace(
            exchange("binance"), channels=(kind.channel,), parser=lambda: lambda frame, received: self.frame
        )
        self.frame: list[Message] = []
        self.pipeline = Pipeline(venue, self.batches.append, self.gaps.append)
        self.old, self.new = self.pipeline.new_feed(), self.pipeline.new_feed()
        self.delivered = {id(self.old): 0, id(self.new): subscribed_at}
        for _ in range(before):
            self.deliver(self.old)
        self.handover = Handover(self.pipeline, self.old, self.new)
        self.begun = False

    def deliver(self, connection: ConnectionFeed) -> None:
        """The connection delivers the next record that was sent to it."""
        if connection is self.new and not self.begun:
            self.begun = True
            self._feed(connection, self.kind.first(self.delivered[id(self.new)]))
            return
        self.delivered[id(connection)] += 1
        self._feed(connection, [self.kind.message(self.delivered[id(connection)])])

    def _feed(self, connection: ConnectionFeed, messages: list[Message]) -> None:
        self.frame = messages
        if messages:
            connection.feed(b"", START)
            assert not self.pipeline.unknown_frames

    def stored(self) -> list[Record]:
        self.pipeline.close()
        return [
            record
            for batch in self.batches
            if batch.data_type == self.kind.data_type
            for record in codec.decode_records(batch.data_type, codec.compress(batch.lines))
        ]


def same(stored: list[Record], kind: Kind, last: int) -> bool:
    """Each record once and, where a rule or a book makes the order matter, in order."""
    found = list(map(identity, stored))
    if kind.channel.rule == sequence.NONE and kind.data_type == TRADES:
        found.sort(key=lambda fields: int(str(fields[0]).removeprefix("id")))
    return found == [identity(kind.record(number)) for number in range(1, last + 1)]


# Who delivers next: the old connection, or the new one.
schedules = st.lists(st.booleans(), max_size=60)


@every_kind
@given(schedule=schedules, before=st.integers(1, 6), lead=st.integers(-4, 4))
def test_while_both_deliver_each_record_is_taken_once_and_in_order(
    kind: Kind, schedule: list[bool], before: int, lead: int
) -> None:
    world = World(kind, before, max(0, before + lead))
    last = before + len(schedule) + 10
    for old in schedule:
        world.deliver(world.old if old else world.new)
    # Both go on, as live connections do, and the old one reaches what the new one had before it.
    for connection in (world.new, world.old):
        while world.delivered[id(connection)] < last:
            world.deliver(connection)
    assert world.handover.delivers
    world.handover.finish()
    for _ in range(10):
        world.deliver(world.new)
    assert world.gaps == []
    assert same(world.stored(), kind, last + 10)


@every_kind
def test_a_stream_that_lies_still_passes_over_without_a_gap(kind: Kind) -> None:
    world = World(kind, before=5, subscribed_at=5)
    world.deliver(world.new)
    world.handover.finish()
    for _ in range(3):
        world.deliver(world.new)
    assert (world.gaps, same(world.stored(), kind, 8)) == ([], True)


@every_kind
def test_at_the_planned_end_what_an_old_connection_has_not_delivered_yet_comes_from_the_new_one(kind: Kind) -> None:
    world = World(kind, before=5, subscribed_at=5)
    for _ in range(4):
        world.deliver(world.new)
    world.handover.finish()
    world.deliver(world.new)
    assert world.gaps == []
    assert same(world.stored(), kind, world.delivered[id(world.new)])


def test_a_quiet_stream_whose_last_record_came_before_the_new_one_was_subscribed_does_not_hold_up_the_rest() -> None:
    world = World(KINDS["trades by time"], before=5, subscribed_at=7)
    world.deliver(world.old)
    assert not world.handover.delivers
    world.handover.subscribed()
    world.deliver(world.new)
    world.deliver(world.new)
    assert world.handover.delivers
    world.deliver(world.old)
    assert world.handover.delivers


@every_kind
def test_a_new_connection_that_never_delivers_leaves_the_old_one_in_place(kind: Kind) -> None:
    world = World(kind, before=5, subscribed_at=5)
    world.deliver(world.old)
    assert not world.handover.delivers
    world.handover.cancel()
    world.deliver(world.old)
    assert (world.gaps, same(world.stored(), kind, 7)) == ([], True)


@pytest.mark.parametrize("name", ["contiguous trades", "linked book", "ranged book"])
def test_an_old_connection_that_is_lost_before_the_new_one_has_caught_up_with_it_costs_a_gap_that_is_named(
    name: str,
) -> None:
    world = World(KINDS[name], before=5, subscribed_at=8)
    world.deliver(world.new)
    world.deliver(world.new)
    world.handover.finish(lost=True)
    (gap,) = world.gaps
    missing = {"contiguous trades": (6, 8), "linked book": (51, 80), "ranged book": (18, 26)}[name]
    assert (gap.first, gap.last) == missing
    assert len(world.stored()) == 6


def test_where_nothing_is_numbered_a_lost_connection_is_told_as_an_interruption() -> None:
    world = World(KINDS["book by time"], before=5, subscribed_at=8)
    world.deliver(world.new)
    world.deliver(world.new)
    world.handover.finish(lost=True)
    assert all(not gap.shows_loss for gap in world.gaps)
    assert {gap.data_type for gap in world.gaps} == {BOOK_UPDATES}


def test_records_without_id_or_time_cannot_be_joined_and_are_told_as_interrupted() -> None:
    kind = Kind(
        Channel("b", (BOOK_UPDATES,), sequence.NONE),
        BOOK_UPDATES,
        lambda n: BookUpdate(bids=Raw(b'[["%d","1"]]' % n), asks=NOTHING, local_timestamp=START + n),
    )
    world = World(kind, before=3, subscribed_at=3)
    world.deliver(world.new)
    world.deliver(world.new)
    world.deliver(world.old)
    assert [gap.cause for gap in world.gaps] == [GapCause.INTERRUPTED]
    assert same(world.stored(), kind, 4)


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize(("field", "later"), [("timestamp", 10 * SECOND), ("sent_timestamp", 70 * SECOND)])
def test_numbers_that_begin_anew_on_the_new_connection_are_news(lost: bool, field: str, later: int) -> None:
    """A second later by the engine's time; a minute later where the venue tells only when it sent a message."""
    world = World(KINDS["linked book"], before=5, subscribed_at=5)
    world.handover = Handover(world.pipeline, world.old, world.new)
    restarted = START + later
    begin = BookSnapshot(
        last_id=3, bids=NOTHING, asks=NOTHING, **{field: restarted}, origin="stream", local_timestamp=restarted
    )
    world._feed(world.new, [(BOOK_SNAPSHOTS, "X", restarted, begin)])
    for number in (4, 5, 6):
        record = BookUpdate(
            previous_id=number - 1,
            last_id=number,
            **{field: restarted + number},
            bids=NOTHING,
            asks=NOTHING,
            local_timestamp=restarted,
        )
        world._feed(world.new, [(BOOK_UPDATES, "X", restarted + number, record)])
    world.handover.finish(lost=lost)
    assert [gap.cause for gap in world.gaps] == [GapCause.RESET]
    assert [record.last_id for record in world.stored() if isinstance(record, BookUpdate)] == [
        10,
        20,
        30,
        40,
        50,
        4,
        5,
        6,
    ]


@pytest.mark.parametrize("lost", [False, True])
def test_a_sequence_reset_shows_without_engine_times_too_as_in_a_stream_of_one_connection(lost: bool) -> None:
    def sent(number: int, seconds: int) -> BookUpdate:
        time = START + seconds * 1_000_000
        ids = {"first_id": number, "last_id": number}
        return BookUpdate(bids=NOTHING, asks=NOTHING, sent_timestamp=time, local_timestamp=time, **ids)

    kind = Kind(Channel("b", (BOOK_UPDATES,), sequence.RANGED), BOOK_UPDATES, lambda number: sent(900 + number, number))
    world = World(kind, before=2, subscribed_at=2)
    for number in (1, 2):
        world._feed(world.new, [(BOOK_UPDATES, "X", START + 90_000_000, sent(number, 90 + number))])
    world.handover.finish(lost=lost)
    world._feed(world.new, [(BOOK_UPDATES, "X", START + 99_000_000, sent(3, 99))])
    assert [gap.shows_loss for gap in world.gaps] == [False]
    assert [record.last_id for record in world.stored() if isinstance(record, BookUpdate)] == [901, 902, 1, 2, 3]


@every_kind
def test_a_stream_in_which_only_the_old_one_delivers_is_told_as_interrupted_where_nothing_is_numbered(
    kind: Kind,
) -> None:
    world = World(kind, before=5, subscribed_at=6)
    world.deliver(world.old)
    world.handover.finish()
    for _ in range(2):
        world.deliver(world.new)
    spans = kind.channel.rule in sequence.SPANS_CONNECTIONS
    assert [gap.cause for gap in world.gaps] == ([] if spans else [GapCause.INTERRUPTED])


def test_a_stream_that_was_quiet_all_along_is_interrupted_with_the_new_connection_as_with_any_other() -> None:
    world = World(KINDS["trades by time"], before=5, subscribed_at=5)
    world.handover.finish()
    world.new.disconnected()
    later = world.pipeline.new_feed()
    world.frame = [world.kind.message(9)]
    later.feed(b"", START)
    assert [gap.cause for gap in world.gaps] == [GapCause.INTERRUPTED]


def test_a_record_that_its_rule_will_not_have_keeps_no_other_from_passing_over() -> None:
    world = World(KINDS["linked book"], before=5, subscribed_at=5)
    world.deliver(world.new)
    bad = BookUpdate(bids=NOTHING, asks=NOTHING, timestamp=START + 6, local_timestamp=START)
    world._feed(world.new, [(BOOK_UPDATES, "X", START + 6, bad)])
    world.deliver(world.new)
    world.handover.finish()
    assert world.pipeline.unknown_frames == {"UnnumberedRecordError": 1}
    assert [record.last_id for record in world.stored() if isinstance(record, BookUpdate)] == [10, 20, 30, 40, 50, 60]


def test_what_a_connection_that_was_given_up_still_delivers_is_not_taken_twice() -> None:
    world = World(KINDS["trades by time"], before=5, subscribed_at=5)
    world.handover.cancel()
    world.deliver(world.old)
    world.deliver(world.new)
    world.deliver(world.new)
    assert same(world.stored(), world.kind, 6)


def test_a_stream_suspected_to_be_dead_is_told_as_interrupted() -> None:
    world = World(KINDS["trades by time"], before=5, subscribed_at=8)
    world.handover = Handover(world.pipeline, world.old, world.new, [(TRADES, "X")])
    world.handover.finish()
    world.deliver(world.new)
    world.deliver(world.new)
    assert [gap.cause for gap in world.gaps] == [GapCause.INTERRUPTED]


def test_quotes_without_id_or_time_are_the_old_ones_to_the_end_and_then_told_as_interrupted() -> None:
    kind = Kind(
        Channel("q", (QUOTES,), sequence.NONE),
        QUOTES,
        lambda n: Quote(None, None, str(n % 2), "1", "2", "1", START + n),
    )
    world = World(kind, before=3, subscribed_at=3)
    for _ in range(3):
        world.deliver(world.new)
        world.deliver(world.old)
    world.handover.finish()
    world.delivered[id(world.new)] = 6
    world.deliver(world.new)
    assert [gap.cause for gap in world.gaps] == [GapCause.INTERRUPTED]
    assert same(world.stored(), kind, 7)


@every_kind
@given(ahead=st.integers(0, 3), behind=st.integers(0, 5))
def test_a_new_connection_that_is_lost_after_streams_have_passed_over_costs_nothing(
    kind: Kind, ahead: int, behind: int
) -> None:
    world = World(kind, before=5, subscribed_at=5)
    for _ in range(1 + ahead):
        world.deliver(world.new)
    for _ in range(3 + behind):
        world.deliver(world.old)
    world.handover.cancel()
    while world.delivered[id(world.old)] <= world.delivered[id(world.new)]:
        world.deliver(world.old)
    world.deliver(world.old)
    assert world.gaps == []
    assert same(world.stored(), kind, world.delivered[id(world.old)])
