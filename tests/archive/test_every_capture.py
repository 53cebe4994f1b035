"""Every public capture with a book, through storage and back: the book at any instant is that of a straight replay."""

import gzip
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from booktape import Archive
from booktape.capture.ingest import ingest_capture
from booktape.exchanges import exchange
from booktape.exchanges.spec import Exchange, SubscriptionRefusedError, UnknownFrameError
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, BookSnapshot, BookUpdate, levels
from booktape.store.objects import open_store
from tests.archive.uptime_logs import listened_whenever_recorded
from tests.captures.conftest import capture  # noqa: F401  # a fixture
from tests.captures.test_every_capture import EXPECTED

INSTANTS = 100
Sides = tuple[dict[str, str], dict[str, str]]
Message = BookUpdate | BookSnapshot

with_books = pytest.mark.parametrize(
    "name", [name for name, expected in EXPECTED.items() if expected.books and expected.one_recording]
)


class Told(NamedTuple):
    """A message of a market's book as the file has it, and the time (µs) that the venue, or its receipt, tells."""

    message: Message
    time: int


def file_order(path: Path, venue: Exchange) -> dict[str, list[Told]]:
    """Each market's book messages in the order of the file. A book over REST that tells no time has the last one."""
    parse, received = venue.parser(), 0
    found: dict[str, list[Told]] = {}
    times: dict[str, int] = {}
    with gzip.open(path, "rt") as file:
        for line in map(json.loads, file):
            if line["dir"] == "out":
                continue
            received = max((line["t"] or 0) // 1_000, received + 1)
            frame = b64decode(line["data"]) if line.get("enc") == "base64" else line["data"].encode()
            try:
                http = line["kind"] == "http"
                messages = venue.parse_rest(line["url"], frame, received, None) if http else parse(frame, received)
            except (UnknownFrameError, SubscriptionRefusedError):
                continue
            for data_type, symbol, _, record in (message for message in messages if isinstance(message, tuple)):
                if data_type not in (BOOK_UPDATES, BOOK_SNAPSHOTS):
                    continue
                assert isinstance(record, BookUpdate | BookSnapshot)
                market = venue.market(symbol)
                time = record.timestamp or record.sent_timestamp or (0 if http else record.local_timestamp)
                if record.last_id is not None and record.timestamp is None:  # in the order of ids time never goes back
                    time = times[market] = max(time, times.get(market, 0))
                found.setdefault(market, []).append(Told(record, time))
    return found


def in_place(messages: list[Told]) -> list[Told]:
    """Where ids number them, the file's order; else that of the venue's times (crypto.com sends out of order).

    A book over REST that tells no time has that of the last update in it, as the published files say.
    """
    if all(told.message.last_id is None for told in messages):
        return sorted(messages, key=lambda told: told.time)
    updates = [told for told in messages if isinstance(told.message, BookUpdate)]

    def told_at(told: Told) -> Told:
        place = told.message.last_id
        if isinstance(told.message, BookUpdate) or told.message.timestamp is not None or place is None:
            return told
        within = [
            other.time for other in updates if other.message.last_id is not None and other.message.last_id <= place
        ]
        return told._replace(time=max(within, default=updates[0].time if updates else told.time))

    return [told_at(told) for told in messages]


class StraightReplay:
    """The book after so many messages: a snapshot, then all updates after it, or that a book over REST lacks."""

    def __init__(self, messages: list[Told]) -> None:
        self._messages = messages
        self._done = 0
        self._last_id: int | None = None
        self.sides: Sides = {}, {}

    def after(self, count: int) -> Sides:
        """Counts may only rise."""
        for message, _ in self._messages[self._done : count]:
            self._done += 1
            if isinstance(message, BookUpdate):
                self._apply(message)
                continue
            self.sides = dict(levels(message.bids)), dict(levels(message.asks))
            self._last_id = message.last_id
            for before, _ in self._messages[: self._done] if message.origin == "rest" else ():
                if isinstance(before, BookUpdate):
                    self._apply(before)
        return self.sides

    def _apply(self, update: BookUpdate) -> None:
        if self._last_id is not None and update.last_id is not None and update.last_id <= self._last_id:
            return
        for side, raw in zip(self.sides, (update.bids, update.asks), strict=True):
            for price, amount in levels(raw):
                side.pop(price, None)
                if float(amount):
                    side[price] = amount


def places(messages: list[Told]) -> list[tuple[int, int, int]]:
    """After how many messages, and from when until when, exactly these and no others are told."""
    begun = next(number for number, told in enumerate(messages) if isinstance(told.message, BookSnapshot))
    earliest = list(accumulate(reversed([told.time for told in messages]), min))[::-1]
    latest = list(accumulate((told.time for told in messages), max))
    return [
        (number + 1, latest[number], earliest[number + 1])
        for number in range(begun, len(messages) - 1)
        if latest[number] < earliest[number + 1]
    ]


def chosen(books: dict[str, list[Told]], random: Random) -> Iterator[tuple[str, int, int]]:
    """Random instants of random markets: market, time, how many messages are told by then; in order of the last."""
    found = {market: places(messages) for market, messages in books.items()}
    weights = [len(found[market]) for market in sorted(found)]
    for market, count in Counter(random.choices(sorted(found), weights, k=INSTANTS)).items():
        for told, since, until in sorted(random.choices(found[market], k=count)):
            yield market, random.randrange(since, until), told


@with_books
def test_the_book_at_any_instant_is_that_of_a_straight_replay(
    name: str,
    capture: Callable[[str], Path],  # noqa: F811  # the fixture
    tmp_path: Path,
) -> None:
    expected = EXPECTED[name]
    venue, path = exchange(expected.exchange), capture(expected.file)
    store = open_store(str(tmp_path))
    ingest_capture(path, venue, store)
    listened_whenever_recorded(store, venue.id)
    told = {market: in_place(messages) for market, messages in file_order(path, venue).items()}
    books = {market: found for market, found in told.items() if any(isinstance(m, BookSnapshot) for m, _ in found)}
    assert len(books) == expected.books
    replays = {market: StraightReplay(messages) for market, messages in books.items()}
    checked = 0
    with Archive(str(tmp_path)) as archive:
        for market, at, count in chosen(books, Random(name)):
            view = archive.book(venue.id, market, at)
            assert (dict(view.bids), dict(view.asks)) == replays[market].after(count), (market, at)
            assert view.sound
            checked += 1
    assert checked == INSTANTS
