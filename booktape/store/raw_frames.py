"""Raw frames: what exchanges sent, stored unchanged beside the records parsed from it, and how it is read back.

    raw/exchange=binance/year=2024/month=08/day=08/235413_a_1723161253937000_0-3_000017.jsonl.gz

The name of an object has the second in which it begins (the collector's clock), the worker's instance and start (µs),
the number of the link and of the connection among all of the worker's, and the object's number on that connection. The
content is gzip of one JSON object a line, in the format of captures: a frame, a REST answer, or a *mark*.

A mark (``kind`` ``mark``) records what the collector did with a connection, so that playing the frames again has the
same outcome: :data:`HANDOVER`, :data:`SUBSCRIBED`, :data:`FINISHED`, :data:`GIVEN_UP`, :data:`INTERRUPTED`,
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
from booktape.model.errors import DataError, NotAvailableError
from booktape.model.records import SECOND
from booktape.store.layout import InvalidKeyError, RawKey, parse_raw_key, raw_day_prefix, raw_prefix
from booktape.store.objects import Store

HANDOVER: Final = "handover"
"""The connection is to take over from the current one of its link. ``data`` adds the streams suspected to be dead."""
SUBSCRIBED: Final = "subscribed"
FINISHED: Final = "finished"
"""The connection has taken over. ``data`` adds ``true`` where the old connection was lost."""
GIVEN_UP: Final = "given up"
INTERRUPTED: Final = "interrupted"
"""``data`` adds the streams that were subscribed again, or dropped."""
DISCONNECTED: Final = "disconnected"

_MOST_DAY_LISTINGS: Final = timedelta(31)

REST: Final = "rest"
"""The instance of REST answers."""


class InvalidRawFramesError(DataError):
    """The content of an object is not raw frames."""


class NoRawFramesError(NotAvailableError):
    """No raw frames are stored of that exchange and time."""


class RawLine(Struct, frozen=True, omit_defaults=True):
    """One line of an object.

    :ivar t: the receive time in ns.
    :ivar sent: the ``Date`` of a REST answer in µs.
    """

    kind: Literal["ws", "http", "mark"]
    data: str
    t: int | None = None
    url: str = ""
    dir: Literal["in", "out"] = "in"
    op: str = ""
    enc: str = ""
    sent: int | None = None

    def frame(self) -> bytes:
        """The bytes of the frame."""
        return b64decode(self.data) if self.enc == "base64" else self.data.encode()

    def message(self) -> str | bytes:
        """The frame as the exchange sent it: text, or bytes for a binary frame."""
        return self.frame() if self.op == "binary" or self.enc else self.data


def decode_raw(key: str, content: bytes) -> list[RawLine]:
    """The lines of one object. Raises :class:`InvalidRawFramesError`."""
    try:
        return json.Decoder(RawLine).decode_lines(codec.decompress(content))
    except (MsgspecError, codec.CorruptObjectError) as error:
        raise InvalidRawFramesError(f"{key}: not raw frames: {error}") from error


def answer_object(exchange: str, url: str, body: bytes, received: int, sent: int | None) -> tuple[str, bytes]:
    """The key and the content of the object of a REST answer. Times in µs."""
    try:
        line = RawLine("http", body.decode(), received * 1_000, url, sent=sent)
    except UnicodeDecodeError:
        line = RawLine("http", b64encode(body).decode(), received * 1_000, url, enc="base64", sent=sent)
    start = received // SECOND * SECOND
    key = RawKey(received, REST, "0-0", crc32(url.encode() + body) % 1_000_000, start, exchange)
    return str(key), codec.compress(json.encode(line) + b"\n")


class RawRun(NamedTuple):
    """The objects of one worker, or of one REST answer: their keys in the order of connections and numbers."""

    instance: str
    run: int
    keys: tuple[RawKey, ...]


def raw_runs(store: Store, exchange: str, first: date | None = None, last: date | None = None) -> list[RawRun]:
    """Find the raw frames of an exchange, by worker.

    :param first: the first day; None for no bound.
    :param last: the last day, inclusive; None for no bound.
    :raises NoRawFramesError: there are none.
    """
    found = []
    for item in chain.from_iterable(store.objects(prefix) for prefix in _prefixes(exchange, first, last)):
        try:
            key = parse_raw_key(item.key)
        except InvalidKeyError:  # another program's file
            continue
        day = datetime.fromtimestamp(key.start // SECOND, UTC).date()
        if (first is None or first <= day) and (last is None or day <= last):
            found.append(key)
    if not found:
        raise NoRawFramesError(
            f"{store.url} holds no raw frames of {exchange} in that time; `booktape record --raw` stores them"
        )
    found.sort(key=lambda key: (key.run, key.instance, key.link, key.connection, key.number))
    return [
        RawRun(instance, run, tuple(keys))
        for (run, instance), keys in groupby(found, key=attrgetter("run", "instance"))
    ]


def _prefixes(exchange: str, first: date | None, last: date | None) -> list[str]:
    """The prefixes to list: one for each day of a short range, so that a day does not cost the listing of a year."""
    if first is None or last is None or last - first > _MOST_DAY_LISTINGS:
        return [raw_prefix(exchange)]
    days = (first + timedelta(number) for number in range((last - first).days + 1))
    return [raw_day_prefix(exchange, day) for day in days]


_Entry = tuple[int, int, RawKey, RawLine, Iterator[tuple[RawKey, RawLine]]]
"""The next line of a connection: its time, the connection's number, key, line, and the iterator of the rest."""


def play(store: Store, keys: Iterable[RawKey]) -> Iterator[tuple[RawKey, RawLine]]:
    """Read the lines of one run in the order of their times. Lines of one connection keep their order.

    One object of each connection that is open at a time is in memory.
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
