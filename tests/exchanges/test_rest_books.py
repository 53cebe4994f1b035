"""A book over REST in the middle of a stream that began with a snapshot of its own.

The venue is a model: numbered changes of levels, told in messages of several changes each, and a REST book that may be
of any of them. Frames and answers go through the venue's own parsers, then a day is merged and proven of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from booktape.capture.pipeline import Pipeline
from booktape.exchanges import exchange
from booktape.exchanges.spec import Request
from booktape.integrity.audit import Evidence, MarketAudit, audit_market
from booktape.integrity.ordering import ObjectRecords
from booktape.integrity.scope import AuditScope
from booktape.merge.reference import PublishedRow, StoredRecord, merge_book
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.book_replay import BookReplayer
from booktape.model.gap import Gap
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DAY, BookSnapshot, first_position, levels
from booktape.rest.books import fetch_book
from booktape.rest.rate_limits import LocalRateLimiter
from booktape.store import clock
from booktape.store.objects import open_store

MIDNIGHT = 1723161600_000_000
THE_DAY = date(2024, 8, 9)
BEGUN = 1_000
"""The number of the stream's first snapshot, and its milliseconds after midnight."""

MILLISECOND = 1_000
TICKS = 40
"""Bids stand at prices below it, asks from it on."""

Side = dict[str, str]


@dataclass(frozen=True)
class Change:
    """A level is set, or removed by an amount of zero."""

    tick: int
    amount: int

    @property
    def level(self) -> tuple[str, str]:
        return f"100.{self.tick:02}", str(self.amount)


@dataclass(frozen=True)
class Play:
    """What the venue does: the changes of each message, and of which of them the REST book is.

    ``taken`` counts changes from the beginning. ``late`` is by how much (ms) the REST book's own time is beyond that of
    its last change.
    """

    messages: list[list[Change]]
    taken: int
    late: int = 0

    def ends(self) -> list[int]:
        """How many changes there were after each message."""
        return [sum(map(len, self.messages[:count])) for count in range(1, len(self.messages) + 1)]


def book(changes: Sequence[Change]) -> tuple[Side, Side]:
    """Bids and asks after some changes; a level of each side is always there."""
    told = dict([("100.00", "7"), (f"100.{2 * TICKS - 1:02}", "7")] + [change.level for change in changes])
    bids = {price: amount for price, amount in sorted(told.items(), reverse=True) if amount != "0"}
    asks = {price: amount for price, amount in sorted(told.items()) if amount != "0"}
    middle = f"100.{TICKS:02}"
    return (
        {price: amount for price, amount in bids.items() if price < middle},
        {price: amount for price, amount in asks.items() if price >= middle},
    )


def sides(changes: Sequence[Change]) -> list[list[list[str]]]:
    """The levels that a message tells: each once, as its last change left it."""
    told = dict(change.level for change in changes)
    middle = f"100.{TICKS:02}"
    return [
        [[price, amount] for price, amount in told.items() if (price < middle) is is_bid] for is_bid in (True, False)
    ]


def whole(changes: Sequence[Change]) -> list[list[list[str]]]:
    return [[[price, amount] for price, amount in side.items()] for side in book(changes)]


def at(milliseconds: int) -> int:
    """Milliseconds of the epoch."""
    return MIDNIGHT // MILLISECOND + milliseconds


class Okx:
    """A number for each change; a message bears that of its last one, and of the last one of the message before it."""

    exchange, symbol = "okx", "BTC-USDT"

    def snapshot(self) -> bytes:
        return self._frame("snapshot", whole([]), -1, 0)

    def update(self, message: int, first: int, changes: list[Change]) -> bytes:
        return self._frame("update", sides(changes), BEGUN + first - 1, first - 1 + len(changes))

    def answer(self, play: Play, told: list[list[list[str]]]) -> bytes:
        bids, asks = told
        data = {"bids": bids, "asks": asks, "ts": str(at(BEGUN + play.taken + play.late)), "seqId": BEGUN + play.taken}
        return json.encode({"code": "0", "msg": "", "data": [data]})

    def _frame(self, action: str, told: list[list[list[str]]], previous: int, taken: int) -> bytes:
        bids, asks = ([[*level, "0", "1"] for level in side] for side in told)
        data = {
            "bids": bids, "asks": asks, "ts": str(at(BEGUN + taken)), "checksum": 0,
            "prevSeqId": previous, "seqId": BEGUN + taken,
        }  # fmt: skip
        return json.encode({"arg": {"channel": "books", "instId": self.symbol}, "action": action, "data": [data]})


class Bybit:
    """A number for each message; the REST book has that of the last one in it."""

    exchange, symbol = "bybit-spot", "BTCUSDT"

    def snapshot(self) -> bytes:
        return self._frame("snapshot", whole([]), BEGUN, 0)

    def update(self, message: int, first: int, changes: list[Change]) -> bytes:
        return self._frame("delta", sides(changes), BEGUN + message, first - 1 + len(changes))

    def answer(self, play: Play, told: list[list[list[str]]]) -> bytes:
        number = BEGUN + 1 + play.ends().index(play.taken)
        result = self._book(told, number) | {"ts": at(BEGUN + play.taken + play.late), "cts": at(BEGUN + play.taken)}
        return json.encode({"retCode": 0, "retMsg": "OK", "result": result})

    def _frame(self, kind: str, told: list[list[list[str]]], number: int, taken: int) -> bytes:
        time = at(BEGUN + taken)
        topic = f"orderbook.1000.{self.symbol}"
        return json.encode({"topic": topic, "type": kind, "ts": time, "cts": time, "data": self._book(told, number)})

    def _book(self, told: list[list[list[str]]], number: int) -> dict[str, Any]:
        bids, asks = told
        return {"s": self.symbol, "b": bids, "a": asks, "u": number, "seq": number}


Venue = Okx | Bybit
VENUES: list[Venue] = [Okx(), Bybit()]


@dataclass(frozen=True)
class Outcome:
    proven: MarketAudit
    gaps: list[Gap]
    published: list[PublishedRow[Any]]

    def replayed(self) -> tuple[Side, Side]:
        """Both sides as a reader of the published file has them in the end."""
        held: tuple[Side, Side] = ({}, {})
        for message in self.published:
            if isinstance(message.record, BookSnapshot):
                held = ({}, {})
            for side, told in zip(held, (message.record.bids, message.record.asks), strict=True):
                side.update(levels(told))
        bids, asks = ({price: amount for price, amount in side.items() if amount != "0"} for side in held)
        return bids, asks

    def rebuilt(self, venue: Venue) -> tuple[Side, Side]:
        """The same as Booktape rebuilds it, to which nothing may seem to be missing."""
        rebuilt = BookReplayer(exchange(venue.exchange).channel(BOOK_UPDATES).rule)
        for message in self.published:
            assert rebuilt.apply(message.record)
            assert rebuilt.gap is None
        return dict(rebuilt.book.bids.top()), dict(rebuilt.book.asks.top())


def recorded(venue: Venue, play: Play, told: list[list[list[str]]]) -> Outcome:
    """Record the stream and, apart from it, the REST book; then merge and prove the day."""
    declared = exchange(venue.exchange)
    batches: list[Batch] = []
    gaps: list[Gap] = []
    recorder = Pipeline(declared, batches.append, gaps.append)
    stream, first = recorder.new_feed(), 1
    stream.feed(venue.snapshot(), MIDNIGHT + BEGUN * MILLISECOND)
    for number, changes in enumerate(play.messages, 1):
        received = MIDNIGHT + (BEGUN + first + len(changes)) * MILLISECOND
        stream.feed(venue.update(number, first, changes), received)
        first += len(changes)
    recorder.close()
    assert declared.rest.book is not None
    url = declared.rest.url + declared.rest.book.request(venue.symbol).path
    fetching = Pipeline(declared, batches.append, gaps.append)
    received = MIDNIGHT + (BEGUN + play.taken + play.late + 5) * MILLISECOND
    fetching.new_feed().feed_rest(url, venue.answer(play, told), received, None)
    fetching.close()
    assert not recorder.unknown_frames
    assert not fetching.unknown_frames
    return outcome(venue, batches, gaps)


def outcome(venue: Venue, batches: list[Batch], gaps: list[Gap]) -> Outcome:
    declared = exchange(venue.exchange)
    market = declared.market(venue.symbol)
    objects = [list(codec.decode_records(batch.data_type, codec.compress(batch.lines))) for batch in batches]
    stored: list[Any] = [StoredRecord(market, THE_DAY, record) for records in objects for record in records]
    day = range(MIDNIGHT, MIDNIGHT + DAY)
    terms = AuditScope(venue.exchange, market, BOOK_UPDATES, declared.channel(BOOK_UPDATES).rule, THE_DAY, day)
    parts = [ObjectRecords(first_position(records[0]), 0, True, partial(list, records)) for records in objects]
    proven = audit_market(terms, Evidence(parts, None, [], lambda: [stored, [], []]))
    return Outcome(proven, gaps, merge_book(THE_DAY, stored))


CHANGES = st.builds(Change, st.integers(1, 2 * TICKS - 2), st.integers(0, 3))


@st.composite
def plays(draw: st.DrawFn) -> Play:
    messages = draw(st.lists(st.lists(CHANGES, min_size=1, max_size=5), min_size=2, max_size=12))
    play = Play(messages, 0)
    return Play(messages, draw(st.sampled_from(play.ends()[:-1])), draw(st.integers(0, 20)))


def changes_of(play: Play) -> list[Change]:
    return [change for message in play.messages for change in message]


@pytest.mark.parametrize("venue", VENUES, ids=lambda venue: venue.exchange)
@given(play=plays())
def test_a_right_one_changes_nothing(venue: Venue, play: Play) -> None:
    """No gap, no difference, and a reader ends with the market's book, however late the book's own time is."""
    changes = changes_of(play)
    found = recorded(venue, play, whole(changes[: play.taken]))
    assert found.gaps == []
    assert (found.proven.loss.missing, found.proven.loss.broken_links, found.proven.loss.resumed_ids) == ([], [], [])
    assert found.proven.book is not None
    counts = found.proven.book
    assert (counts.snapshots, counts.snapshots_compared, counts.snapshots_differing, counts.crossed) == (2, 1, 0, 0)
    assert found.replayed() == found.rebuilt(venue) == book(changes)


@pytest.mark.parametrize("venue", VENUES, ids=lambda venue: venue.exchange)
@given(play=plays(), data=st.data())
def test_a_wrong_one_is_found(venue: Venue, play: Play, data: st.DataObject) -> None:
    bids, asks = whole(changes_of(play)[: play.taken])
    wrong = data.draw(st.sampled_from([*bids, *asks]))
    wrong[1] = "9.5"
    found = recorded(venue, play, [bids, asks])
    assert found.gaps == []
    assert found.proven.book is not None
    assert (found.proven.book.snapshots_compared, found.proven.book.snapshots_differing) == (1, 1)


@st.composite
def plays_from_within(draw: st.DrawFn) -> Play:
    """The REST book is of a change within a message: as OKX documents it."""
    play = draw(plays())
    return replace(play, taken=draw(st.integers(1, play.ends()[-1])))


@given(play=plays_from_within())
def test_one_from_within_a_message_changes_nothing_either(play: Play) -> None:
    changes = changes_of(play)
    found = recorded(Okx(), play, whole(changes[: play.taken]))
    assert found.gaps == []
    assert (found.proven.loss.missing, found.proven.loss.broken_links, found.proven.loss.resumed_ids) == ([], [], [])
    assert found.proven.book is not None
    assert (found.proven.book.snapshots_compared, found.proven.book.snapshots_differing) == (1, 0)
    assert found.replayed() == found.rebuilt(Okx()) == book(changes)


@given(play=plays_from_within(), data=st.data())
def test_a_wrong_one_from_within_a_message_is_found(play: Play, data: st.DataObject) -> None:
    """Unless it is wrong just where that message tells the level anew."""
    bids, asks = whole(changes_of(play)[: play.taken])
    after = next(number for number, end in enumerate(play.ends()) if end >= play.taken)
    retold = {change.level[0] for change in play.messages[after]} if play.taken not in play.ends() else set()
    wrong = data.draw(st.sampled_from([level for level in (*bids, *asks) if level[0] not in retold]))
    wrong[1] = "9.5"
    found = recorded(Okx(), play, [bids, asks])
    assert found.proven.book is not None
    assert (found.proven.book.snapshots_compared, found.proven.book.snapshots_differing) == (1, 1)


def test_hyperliquid_is_asked_for_a_book_by_a_posted_question() -> None:
    book = exchange("hyperliquid").rest.book
    assert book is not None
    assert book.request("@107") == Request("/info", b'{"type":"l2Book","coin":"@107"}')
    assert book.weight == 2


def test_a_book_over_rest_of_hyperliquid_is_the_streams_own_at_the_same_instant() -> None:
    """Both systems' copies, from wherever they came, are published once."""
    told = {
        "coin": "BTC",
        "time": at(0),
        "levels": [[{"px": "9", "sz": "1", "n": 1}], [{"px": "10", "sz": "2", "n": 1}]],
    }
    declared = exchange("hyperliquid")
    batches: list[Batch] = []
    recorder = Pipeline(declared, batches.append, lambda gap: None)
    recorder.new_feed().feed(json.encode({"channel": "l2Book", "data": told}), MIDNIGHT + 10)
    recorder.new_feed().feed_rest(declared.rest.url + "/info", json.encode(told), MIDNIGHT + 20, MIDNIGHT + 5)
    recorder.close()
    stored: list[Any] = [
        StoredRecord("BTC-USD-PERP", THE_DAY, record)
        for batch in batches
        for record in codec.decode_records(BOOK_SNAPSHOTS, codec.compress(batch.lines))
    ]
    assert [record.record.origin for record in stored] == ["stream", "rest"]
    (published,) = merge_book(THE_DAY, stored)
    assert isinstance(published.record, BookSnapshot)
    assert (published.record.origin, published.record.timestamp) == ("stream", MIDNIGHT)


@pytest.mark.parametrize(
    ("venue", "market", "fixture", "key"),
    [
        ("okx", "BTC-USDT", "rest_book", "pair=BTC-USDT/year=2021/month=08/day=26/0827_3235851742-3235851742_"),
        ("hyperliquid", "BTC-USD-PERP", "rest_book", "pair=BTC-USD-PERP/year=2025/month=08/day=06/0329_"),
    ],
)
def test_a_book_is_fetched_and_kept_where_its_id_and_the_venues_time_put_it(
    venue: str, market: str, fixture: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.decode((Path(__file__).parent / f"fixtures/{venue}/{fixture}.json").read_bytes())
    monkeypatch.setattr(clock, "now", lambda: told["sent"])
    asked: list[tuple[str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((str(request.url), request.content))
        return httpx.Response(200, text=told["frame"])

    declared = exchange(venue)
    assert declared.rest.book is not None
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        kept = fetch_book(declared, market, open_store(str(tmp_path)), LocalRateLimiter(venue), client)
    assert asked == [(told["url"], declared.rest.book.request(declared.symbol(market)).body or b"")]
    assert kept.startswith(f"book_snapshots/exchange={venue}/{key}")
