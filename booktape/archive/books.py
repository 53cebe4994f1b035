"""A market's book at instants: rebuilt from the nearest snapshot or checkpoint before, message by message."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Final, NamedTuple

from msgspec import Raw, json

from booktape.analytics.book_view import BookView
from booktape.archive.catalog import StreamKey
from booktape.archive.day_files import MARGIN, DayFiles, RowSource
from booktape.archive.gaps import Outages, channel_of, is_numbered, receipt_time
from booktape.archive.queries import RECORD_COLUMNS, record_maker
from booktape.exchanges import exchanges
from booktape.model.book_replay import LATE, BookReplayer, Message
from booktape.model.gap import Gap, GapCause, interleave, time_gap
from booktape.model.records import BOOK_UPDATES, DAY, MINUTE, BookSnapshot, record_time
from booktape.model.sequence import NONE
from booktape.model.timestamps import day_of, start_of_day

_DAYS_BACK: Final = 7
"""How many days before an instant may hold the snapshot that its book begins with."""

_READ_AFTER: Final = MINUTE
"""How long after an instant (µs) messages are read: the next one shows whether one before it is missing."""

_MOST_BOOKS: Final = 32

_TRIES: Final = 3
"""How many snapshots are tried: one from REST may be too old for the stream's updates to continue it."""

_CHECKPOINT_COLUMNS: Final = (
    "true, NULL, last_id, NULL, timestamp, to_json([[level.price, level.amount] for level in bids])::VARCHAR, "
    "to_json([[level.price, level.amount] for level in asks])::VARCHAR, NULL, 'derived', local_timestamp, NULL"
)
"""The columns of a checkpoint as those of a snapshot in :data:`~booktape.archive.queries.RECORD_COLUMNS`."""


class Base(NamedTuple):
    """Where a book can begin: with a snapshot, which is the ``position``-th message of an open day."""

    start: int
    source: RowSource
    position: int
    snapshot: BookSnapshot


class RecentBooks:
    """The most recently rebuilt books, from which later ones can be continued. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._books: OrderedDict[tuple[str, int], BookSnapshot] = OrderedDict()

    def add(self, table: str, position: int, book: BookSnapshot) -> None:
        """Keep a sound book, as it is after the ``position``-th message of a table."""
        with self._lock:
            self._books[table, position] = book
            while len(self._books) > _MOST_BOOKS:
                self._books.popitem(last=False)

    def until(self, table: str, time: int) -> list[tuple[int, BookSnapshot]]:
        """The books of a table up to a time (µs, inclusive), each with its position."""
        with self._lock:
            books = list(self._books.items())
        return [(position, book) for (name, position), book in books if name == table and record_time(book) <= time]


class BookReader:
    """Rebuilds one market's book at instants up to ``last`` (µs)."""

    def __init__(self, files: DayFiles, outages: Outages, recent: RecentBooks, stream: StreamKey, last: int) -> None:
        channel, exchange = channel_of(stream), exchanges().get(stream.exchange)
        self._files = files
        self._outages = outages
        self._recent = recent
        self._stream = stream
        self._last = last
        self._numbered = is_numbered(stream)
        self._rule = channel.rule if channel is not None else NONE
        self._checksum = exchange.book_checksum if exchange is not None else None

    def at(self, instants: Sequence[int]) -> Iterator[BookView]:
        """The book at each of some instants (µs, rising). It is not ``sound`` where something may be missing."""
        bases = self._bases(instants[0])
        views = None
        for _, base in zip(range(_TRIES if self._numbered else 1), bases, strict=False):
            views = self._views(base, instants)
            first = next(views)
            if first.sound:
                break
        if views is None:
            yield from self._before_first_snapshot(instants)
        else:
            yield first
            yield from views

    def _before_first_snapshot(self, instants: Sequence[int]) -> Iterator[BookView]:
        """The books at instants of which the first has no snapshot before it."""
        begins = self._next_snapshot(instants[0])
        for number, at in enumerate(instants):
            if begins is not None and at >= begins:
                yield from self.at(instants[number:])
                return
            yield self._no_view(at)

    def _next_snapshot(self, after: int) -> int | None:
        """The time (µs) of the first snapshot after a time."""
        where = f"is_snapshot AND timestamp > {after} AND timestamp <= {self._last}"
        for start in range(start_of_day(after), self._last + 1, DAY) if after < self._last else ():
            with self._files.open_at(self._stream, start, (after, self._last + _READ_AFTER)) as (_, _, source):
                if source is not None:
                    ((time,),) = source.query(f"SELECT min(timestamp) FROM {{table}} WHERE {where}")
                    if time is not None:
                        return int(time)
        return None

    def _bases(self, at: int) -> Iterator[Base]:
        """Where the book may begin, the newest first. The day of a base is open until the next one is taken."""
        today = start_of_day(at)
        for start in range(today, max(today - (_DAYS_BACK + 1) * DAY, -1), -DAY):
            until = min(at, start + DAY - 1)
            if self._files.catalog.published(self._stream.exchange, BOOK_UPDATES, day_of(start)) is not None:
                yield from self._bases_of_day(start, start, until)
                continue
            for since in _snapshot_times(self._files.snapshot_minutes(self._stream, day_of(start)), until):
                yield from self._bases_of_day(start, since, until)

    def _bases_of_day(self, start: int, since: int, until: int) -> Iterator[Base]:
        """The checkpoints, snapshots and recent books of a day's file up to a time, the newest first."""
        make = record_maker(BOOK_UPDATES)
        columns = RECORD_COLUMNS[BOOK_UPDATES]
        with self._files.open_at(self._stream, start, (since, self._last + _READ_AFTER)) as (_, day, source):
            if day is None or source is None:
                return
            with self._files.open_checkpoints(day) as checkpoints:
                places = [(position, source, columns) for position in _newest(source, until, "is_snapshot")]
                if checkpoints is not None:
                    newest = _newest(checkpoints, until, "true")
                    places += [(position, checkpoints, _CHECKPOINT_COLUMNS) for position in newest]
                recent = max(self._recent.until(source.table, until), key=lambda book: book[0], default=None)
                if recent is not None and recent[0] >= max((position for position, *_ in places), default=0):
                    yield Base(start, source, *recent)
                for position, table, selected in sorted(places, key=lambda place: -place[0])[:_TRIES]:
                    (row,) = table.select(selected, f"position = {position}")
                    yield Base(start, source, position, make(row))

    def _views(self, base: Base, instants: Sequence[int]) -> Iterator[BookView]:
        replayer = BookReplayer(self._rule, self._checksum, self._stream.market)
        replayer.apply(base.snapshot)
        outages = self._outages_since(base)
        waiting = iter(instants)
        due = next(waiting, None)
        received, position = receipt_time(base.snapshot), base.position
        for item in interleave(self._messages(base), [] if self._numbered else outages, receipt_time):
            if isinstance(item, Gap):
                replayer.lose(item)
                continue
            time = record_time(item)
            while due is not None and time > due:
                gap = replayer.gap_before(item) if self._numbered else _first_outage(outages, due, received)
                view = self._view(due, replayer, gap)
                due = next(waiting, None)
                if due is None and view.sound and view.as_of < base.start + DAY:
                    self._recent.add(base.source.table, position, _snapshot_of(view, received))
                yield view
            if due is None:
                return
            replayer.apply(item)
            position += 1
            received = max(received, receipt_time(item))
        while due is not None:
            yield self._view(due, replayer, _first_outage(outages, due, received))
            due = next(waiting, None)

    def _messages(self, base: Base) -> Iterator[Message]:
        """All messages after the base, day by day."""
        make, columns = record_maker(BOOK_UPDATES), RECORD_COLUMNS[BOOK_UPDATES]
        end = self._last + _READ_AFTER
        for row in base.source.select(columns, f"position > {base.position} AND timestamp <= {end}"):
            yield make(row)
        for start in range(base.start + DAY, end + 1, DAY):
            with self._files.open_at(self._stream, start, (start, end)) as opened:
                if opened.source is not None:
                    yield from map(make, opened.source.select(columns, f"timestamp <= {end}"))

    def _outages_since(self, base: Base) -> list[Gap]:
        """The outages since a snapshot was received."""
        outages: list[Gap] = []
        for start in range(base.start, self._last + 1, DAY):
            day = day_of(start)
            run = self._files.catalog.published(self._stream.exchange, BOOK_UPDATES, day)
            outages += self._outages.of(self._stream, day, run)
        return [outage for outage in outages if outage.end > receipt_time(base.snapshot) + LATE]

    def _view(self, at: int, replayer: BookReplayer, gap: Gap | None) -> BookView:
        missing = gap if replayer.sound else replayer.missing
        sides = tuple(replayer.book.bids.top()), tuple(replayer.book.asks.top())
        as_of = replayer.as_of if replayer.as_of is not None else 0
        sound = replayer.sound and missing is None
        return BookView(self._stream.exchange, self._stream.market, at, as_of, replayer.last_id, *sides, sound, missing)

    def _no_view(self, at: int) -> BookView:
        since = max(at // DAY - _DAYS_BACK, 0) * DAY
        missing = time_gap(BOOK_UPDATES, self._stream.market, since, at, GapCause.NO_SNAPSHOT)
        return BookView(self._stream.exchange, self._stream.market, at, 0, None, (), (), sound=False, missing=missing)


def _snapshot_of(view: BookView, received: int) -> BookSnapshot:
    return BookSnapshot(
        last_id=view.last_id,
        timestamp=view.as_of,
        bids=Raw(json.encode(view.bids)),
        asks=Raw(json.encode(view.asks)),
        origin="derived",
        local_timestamp=received,
    )


def _snapshot_times(minutes: list[int], until: int) -> list[int]:
    """From when on to look for a snapshot, the newest time first.

    A snapshot from REST is stored under its receive time, which may be after the update that it precedes.

    :param minutes: the minutes (µs) of stored snapshots, the newest first.
    """
    later = any(until < minute <= until + MARGIN for minute in minutes)
    return [until] * later + [minute for minute in minutes if minute <= until][:_TRIES]


def _newest(source: RowSource, until: int, where: str) -> list[int]:
    """The positions of the last rows up to a time (µs, inclusive)."""
    sql = f"SELECT position FROM {{table}} WHERE {where} AND timestamp <= {until} ORDER BY position DESC LIMIT {_TRIES}"
    return [position for (position,) in source.query(sql)]


def _first_outage(outages: list[Gap], at: int, received: int) -> Gap | None:
    """The first outage that began by an instant and lasted beyond the receipt of the last message."""
    lasting = (
        outage
        for outage in outages
        if outage.start <= at and (outage.start >= received or outage.end > received + LATE)
    )
    return next(lasting, None)
