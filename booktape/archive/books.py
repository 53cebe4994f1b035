"""A market's book at instants: from the nearest snapshot or checkpoint before, message by message."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Final, NamedTuple

from msgspec import Raw, json

from booktape.analytics.book_view import BookView
from booktape.archive.gaps import opened_day
from booktape.archive.market_days import MARGIN, MarketDays, RowSource, StreamKey
from booktape.archive.outages import Outages, channel_of, is_numbered, receipt_time
from booktape.archive.queries import FIELDS, record_of
from booktape.exchanges import exchanges
from booktape.model.book_replay import LATE, BookReplayer, Message
from booktape.model.gap import Gap, GapCause, interleave, time_gap
from booktape.model.records import BOOK_UPDATES, DAY, MINUTE, BookSnapshot, record_time
from booktape.model.sequence import NONE
from booktape.model.timestamps import day_of, start_of_day

_DAYS_BACK: Final = 7
"""How many days before the one asked for may hold the snapshot that a book begins with."""

_AFTER: Final = MINUTE
"""How much later the message may be that shows whether one before it is missing."""

_REMEMBERED: Final = 32

_TRIES: Final = 3
"""How many snapshots are tried: one over REST may be too old to begin with."""

_CHECKPOINT: Final = (
    "true, NULL, last_id, NULL, timestamp, to_json([[level.price, level.amount] for level in bids])::VARCHAR, "
    "to_json([[level.price, level.amount] for level in asks])::VARCHAR, NULL, 'derived', local_timestamp, NULL"
)


class Base(NamedTuple):
    """Where a book can begin: with a snapshot, after the ``position``-th message of an opened day."""

    start: int
    source: RowSource
    position: int
    snapshot: BookSnapshot


class Remembered:
    """The last books that were asked for: whoever asks for later ones begins with them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._books: OrderedDict[tuple[str, int], BookSnapshot] = OrderedDict()

    def add(self, table: str, position: int, book: BookSnapshot) -> None:
        """Keep a sound book that stands after the ``position``-th message of some files."""
        with self._lock:
            self._books[table, position] = book
            while len(self._books) > _REMEMBERED:
                self._books.popitem(last=False)

    def until(self, table: str, time: int) -> list[tuple[int, BookSnapshot]]:
        """The books of these files up to a time (µs), each with its position."""
        with self._lock:
            found = list(self._books.items())
        return [(position, book) for (name, position), book in found if name == table and record_time(book) <= time]


class BookReader:
    """One market's books, at instants up to ``last`` (µs)."""

    def __init__(self, shelf: MarketDays, lapses: Outages, remembered: Remembered, asked: StreamKey, last: int) -> None:
        channel, venue = channel_of(asked), exchanges().get(asked.exchange)
        self._shelf = shelf
        self._lapses = lapses
        self._remembered = remembered
        self._asked = asked
        self._last = last
        self._numbered = is_numbered(asked)
        self._rule = channel.rule if channel is not None else NONE
        self._checksum = venue.book_checksum if venue is not None else None

    def at(self, instants: Sequence[int]) -> Iterator[BookView]:
        """The book at each of some instants (µs, rising). It is not ``sound`` where something is, or may be missing."""
        bases = self._bases(instants[0])
        views = None
        for _, base in zip(range(_TRIES if self._numbered else 1), bases, strict=False):
            views = self._views(base, instants)
            first = next(views)
            if first.sound:
                break
        if views is None:
            yield from self._not_yet(instants)
        else:
            yield first
            yield from views

    def _not_yet(self, instants: Sequence[int]) -> Iterator[BookView]:
        """The books at instants of which the first has no snapshot before it."""
        begun = self._next_snapshot(instants[0])
        for number, at in enumerate(instants):
            if begun is not None and at >= begun:
                yield from self.at(instants[number:])
                return
            yield self._nothing(at)

    def _next_snapshot(self, after: int) -> int | None:
        """The time (µs) of the first snapshot after a time."""
        where = f"is_snapshot AND timestamp > {after} AND timestamp <= {self._last}"
        for start in range(start_of_day(after), self._last + 1, DAY) if after < self._last else ():
            with opened_day(self._shelf, self._asked, start, (after, self._last + _AFTER)) as (_, _, source):
                if source is not None:
                    ((found,),) = source.query(f"SELECT min(timestamp) FROM {{table}} WHERE {where}")
                    if found is not None:
                        return int(found)
        return None

    def _bases(self, at: int) -> Iterator[Base]:
        """Where the book may begin, the newest first. A day stays open while this is held."""
        today = start_of_day(at)
        for start in range(today, max(today - (_DAYS_BACK + 1) * DAY, -1), -DAY):
            until = min(at, start + DAY - 1)
            if self._shelf.library.published(self._asked.exchange, BOOK_UPDATES, day_of(start)) is not None:
                yield from self._in(start, start, until)
                continue
            for since in _since(self._shelf.snapshot_minutes(self._asked, day_of(start)), until):
                yield from self._in(start, since, until)

    def _in(self, start: int, since: int, until: int) -> Iterator[Base]:
        """The checkpoints and snapshots of a day's file up to a time, the newest first."""
        make = record_of(BOOK_UPDATES)
        with opened_day(self._shelf, self._asked, start, (since, self._last + _AFTER)) as (_, day, source):
            if day is None or source is None:
                return
            with self._shelf.checkpoints(day) as checkpoints:
                places = [(place, source, FIELDS[BOOK_UPDATES]) for place in _newest(source, until, "is_snapshot")]
                if checkpoints is not None:
                    places += [(place, checkpoints, _CHECKPOINT) for place in _newest(checkpoints, until, "true")]
                known = self._remembered.until(source.table, until)
                kept = max(known, key=lambda place: place[0], default=None)
                if kept is not None and kept[0] >= max((place for place, *_ in places), default=0):
                    yield Base(start, source, *kept)
                for position, table, columns in sorted(places, key=lambda place: -place[0])[:_TRIES]:
                    (row,) = table.select(columns, f"position = {position}")
                    yield Base(start, source, position, make(row))

    def _views(self, base: Base, instants: Sequence[int]) -> Iterator[BookView]:
        rebuilt = BookReplayer(self._rule, self._checksum, self._asked.market)
        rebuilt.apply(base.snapshot)
        lapses = self._lapses_since(base)
        waiting = iter(instants)
        due = next(waiting, None)
        latest, position = receipt_time(base.snapshot), base.position
        for item in interleave(self._messages(base), [] if self._numbered else lapses, receipt_time):
            if isinstance(item, Gap):
                rebuilt.lose(item)
                continue
            time = record_time(item)
            while due is not None and time > due:
                missing = rebuilt.gap_before(item) if self._numbered else _lapse(lapses, due, latest)
                view = self._view(due, rebuilt, missing)
                due = next(waiting, None)
                if due is None and view.sound and view.as_of < base.start + DAY:
                    self._remembered.add(base.source.table, position, _snapshot(view, latest))
                yield view
            if due is None:
                return
            rebuilt.apply(item)
            position += 1
            latest = max(latest, receipt_time(item))
        while due is not None:
            yield self._view(due, rebuilt, _lapse(lapses, due, latest))
            due = next(waiting, None)

    def _messages(self, base: Base) -> Iterator[Message]:
        """All messages after the base, day by day."""
        make = record_of(BOOK_UPDATES)
        end = self._last + _AFTER
        for row in base.source.select(FIELDS[BOOK_UPDATES], f"position > {base.position} AND timestamp <= {end}"):
            yield make(row)
        for start in range(base.start + DAY, end + 1, DAY):
            with opened_day(self._shelf, self._asked, start, (start, end)) as opened:
                rows = opened.source.select(FIELDS[BOOK_UPDATES], f"timestamp <= {end}") if opened.source else ()
                yield from map(make, rows)

    def _lapses_since(self, base: Base) -> list[Gap]:
        """When something may have been missed since a snapshot was received."""
        found: list[Gap] = []
        for start in range(base.start, self._last + 1, DAY):
            day = day_of(start)
            run = self._shelf.library.published(self._asked.exchange, BOOK_UPDATES, day)
            found += self._lapses.of(self._asked, day, run)
        return [lapse for lapse in found if lapse.end > receipt_time(base.snapshot) + LATE]

    def _view(self, at: int, rebuilt: BookReplayer, missing: Gap | None) -> BookView:
        missing = missing if rebuilt.sound else rebuilt.missing
        sides = tuple(rebuilt.book.bids.top()), tuple(rebuilt.book.asks.top())
        as_of = rebuilt.as_of if rebuilt.as_of is not None else 0
        sound = rebuilt.sound and missing is None
        return BookView(self._asked.exchange, self._asked.market, at, as_of, rebuilt.last_id, *sides, sound, missing)

    def _nothing(self, at: int) -> BookView:
        since = max(at // DAY - _DAYS_BACK, 0) * DAY
        missing = time_gap(BOOK_UPDATES, self._asked.market, since, at, GapCause.NO_SNAPSHOT)
        return BookView(self._asked.exchange, self._asked.market, at, 0, None, (), (), sound=False, missing=missing)


def _snapshot(view: BookView, received: int) -> BookSnapshot:
    return BookSnapshot(
        last_id=view.last_id,
        timestamp=view.as_of,
        bids=Raw(json.encode(view.bids)),
        asks=Raw(json.encode(view.asks)),
        origin="derived",
        local_timestamp=received,
    )


def _since(minutes: list[int], until: int) -> list[int]:
    """Where to look for a snapshot, by the minutes in which some are stored, the newest first.

    One over REST is stored by when it came, which may be after the update whose place it has.
    """
    late = any(until < minute <= until + MARGIN for minute in minutes)
    return [until] * late + [minute for minute in minutes if minute <= until][:_TRIES]


def _newest(source: RowSource, until: int, where: str) -> list[int]:
    """The positions of a file's last rows up to a time."""
    sql = f"SELECT position FROM {{table}} WHERE {where} AND timestamp <= {until} ORDER BY position DESC LIMIT {_TRIES}"
    return [position for (position,) in source.query(sql)]


def _lapse(lapses: list[Gap], at: int, latest: int) -> Gap | None:
    """The first lapse that began by an instant and was not over when the last message was received."""
    found = (lapse for lapse in lapses if lapse.start <= at and (lapse.start >= latest or lapse.end > latest + LATE))
    return next(found, None)
