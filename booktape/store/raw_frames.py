"""Frames as they came, kept beside the records that were made of them: names, lines, and reading them back.

    raw/exchange=binance/year=2024/month=08/day=08/235413_a_1723161253937000_0-3_000017.jsonl.gz

The name tells the second in which the object begins (the collector's clock), the worker's instance, when that worker
began (µs), which of its links and which connection of all, and the object's number on that connection. The content is
gzip of one JSON object a line, the format of captures: one frame, REST answer, or *mark* each.

A mark (``kind`` ``mark``) tells what the collector did with a connection, so that the frames can be played again with
the very same outcome: :data:`HANDOVER`, :data:`SUBSCRIBED`, :data:`FINISHED`, :data:`GIVEN_UP`, :data:`INTERRUPTED`,
:data:`DISCONNECTED`.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush
from itertools import chain, groupby
from operator import attrgetter
from typing import Final, Literal, NamedTuple
from zlib import crc32

from msgspec import MsgspecError, Struct, json

from booktape.model import codec
from booktape.model.errors import BooktapeError
from booktape.model.records import SECOND
from booktape.store.layout import InvalidKeyError, RawKey, parse_raw_key, raw_day_prefix, raw_prefix
from booktape.store.objects import Store

HANDOVER: Final = "handover"
"""This connection is to take over from its link's one; ``data`` goes on with the streams suspected to be dead there."""
SUBSCRIBED: Final = "subscribed"
FINISHED: Final = "finished"
"""It has taken over; ``data`` goes on with ``true`` where the old one was lost."""
GIVEN_UP: Final = "given up"
INTERRUPTED: Final = "interrupted"
"""``data`` goes on with the streams that were asked for anew, or let go."""
DISCONNECTED: Final = "disconnected"

_FEW_DAYS: Final = timedelta(31)

REST: Final = "rest"
"""The instance of REST answers."""


class InvalidRawFramesError(BooktapeError):
    """An object of raw frames that is none."""


class NoRawFramesError(BooktapeError):
    """No raw frames were kept there."""


class RawLine(Struct, frozen=True, omit_defaults=True):
    """One line. ``t`` is in ns; ``sent`` (µs) is what a REST answer's ``Date`` says."""

    kind: Literal["ws", "http", "mark"]
    data: str
    t: int | None = None
    url: str = ""
    dir: Literal["in", "out"] = "in"
    op: str = ""
    enc: str = ""
    sent: int | None = None

    def frame(self) -> bytes:
        """What came over the wire."""
        return b64decode(self.data) if self.enc == "base64" else self.data.encode()

    def message(self) -> str | bytes:
        """The frame as the venue sent it: text, or bytes where it was a binary frame."""
        return self.frame() if self.op == "binary" or self.enc else self.data


def decode_raw(key: str, content: bytes) -> list[RawLine]:
    """The lines of one object. Raises :class:`InvalidRawFramesError`."""
    try:
        return json.Decoder(RawLine).decode_lines(codec.decompress(content))
    except (MsgspecError, codec.CorruptObjectError) as error:
        raise InvalidRawFramesError(f"{key}: not raw frames: {error}") from error


def answer_object(exchange: str, url: str, body: bytes, received: int, sent: int | None) -> tuple[str, bytes]:
    """Key and content of one REST answer. Times in µs."""
    try:
        line = RawLine("http", body.decode(), received * 1_000, url, sent=sent)
    except UnicodeDecodeError:
        line = RawLine("http", b64encode(body).decode(), received * 1_000, url, enc="base64", sent=sent)
    start = received // SECOND * SECOND
    key = RawKey(received, REST, "0-0", crc32(url.encode() + body) % 1_000_000, start, exchange)
    return str(key), codec.compress(json.encode(line) + b"\n")


class RawRun(NamedTuple):
    """What one worker kept, or one REST answer: the keys in the order of their connections and numbers."""

    instance: str
    run: int
    keys: tuple[RawKey, ...]


def raw_runs(store: Store, exchange: str, first: date | None = None, last: date | None = None) -> list[RawRun]:
    """What was kept of an exchange, from the day ``first`` to ``last``, by the worker that kept it.

    Raises :class:`NoRawFramesError` where there is nothing.
    """
    found = []
    for item in chain.from_iterable(store.objects(place) for place in _places(exchange, first, last)):
        try:
            key = parse_raw_key(item.key)
        except InvalidKeyError:  # somebody else's file
            continue
        day = datetime.fromtimestamp(key.start // SECOND, UTC).date()
        if (first is None or first <= day) and (last is None or day <= last):
            found.append(key)
    if not found:
        raise NoRawFramesError(
            f"{store.url} holds no raw frames of {exchange} there; they are kept by `booktape record --raw`"
        )
    found.sort(key=lambda key: (key.run, key.instance, key.link, key.connection, key.number))
    return [
        RawRun(instance, run, tuple(keys))
        for (run, instance), keys in groupby(found, key=attrgetter("run", "instance"))
    ]


def _places(exchange: str, first: date | None, last: date | None) -> list[str]:
    """Where the objects of some days lie: a year's names need not be listed for one day."""
    if first is None or last is None or last - first > _FEW_DAYS:
        return [raw_prefix(exchange)]
    days = (first + timedelta(number) for number in range((last - first).days + 1))
    return [raw_day_prefix(exchange, day) for day in days]


_Entry = tuple[int, int, RawKey, RawLine, Iterator[tuple[RawKey, RawLine]]]
"""The next line of a connection: its time, the connection's number, key, line, and where the rest comes from."""


def play(store: Store, keys: Iterable[RawKey]) -> Iterator[tuple[RawKey, RawLine]]:
    """The lines of one run's objects in the order of their times; lines of one connection keep their order.

    Of each connection that goes on at a time, one object is in memory.
    """
    connections = [list(group) for _, group in groupby(keys, key=attrgetter("connection"))]
    waiting = sorted(connections, key=lambda keys: keys[0].start, reverse=True)
    heap: list[_Entry] = []
    opened = 0
    while waiting or heap:
        while waiting and (not heap or waiting[-1][0].start * 1_000 <= heap[0][0]):
            opened += 1
            reading = _connection(store, waiting.pop())
            _push(heap, opened, reading)
        if heap:
            _, number, key, line, reading = heappop(heap)
            yield key, line
            _push(heap, number, reading)


def _push(heap: list[_Entry], number: int, reading: Iterator[tuple[RawKey, RawLine]]) -> None:
    following = next(reading, None)
    if following is not None:
        heappush(heap, (following[1].t or 0, number, *following, reading))


def _connection(store: Store, keys: Iterable[RawKey]) -> Iterator[tuple[RawKey, RawLine]]:
    for key in keys:
        for line in decode_raw(str(key), store.read(str(key))):
            yield key, line
