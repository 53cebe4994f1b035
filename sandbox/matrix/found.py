"""Reads a published file, and finds the messages that were sent in it."""

import csv
import io
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from booktape.model.records import BOOK_UPDATES, QUOTES, SECOND, TRADES
from sandbox.matrix.sent import Line, Message, trade_line

_COLUMNS: Final = {
    TRADES: ("timestamp", "id", "side", "price", "amount"),
    BOOK_UPDATES: ("timestamp", "side", "price", "amount"),
    QUOTES: ("bid_price", "bid_amount", "ask_price", "ask_amount"),
}
_NEAR: Final = 3 * SECOND
"""By how much (µs) the time of a published quote may differ from that of sending: clocks err, and frames wait."""

_AT_ONCE: Final = SECOND // 100
_RECENT: Final = 8
"""The current quote is one of this many last ones: the clocks of a ticker and of a response are some ms apart."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file, outside of snapshots. ``time`` is its ``timestamp``."""

    time: int
    line: Line


@dataclass(frozen=True, slots=True)
class Matched:
    """Which messages are in the file, by position; rows that were not sent; messages that are in the file in part."""

    there: list[bool]
    surplus: int
    in_part: int


def read_rows(content: bytes, data_type: str) -> dict[str, list[Row]]:
    """The rows of a file by market, without those of snapshots, which the venue did not send as messages."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in csv.DictReader(io.StringIO(content.decode())):
        if row.get("is_snapshot") != "true":
            fields = tuple(row[name] for name in _COLUMNS[data_type])
            line = trade_line(fields) if data_type == TRADES else fields
            found[row["symbol"]].append(Row(int(row["timestamp"]), line))
    return dict(found)


def match(messages: Sequence[Message], rows: Sequence[Row], data_type: str) -> Matched:
    """Find messages among rows. Quotes may be equal: then the nearest in time counts."""
    return _match_quotes(messages, rows) if data_type == QUOTES else _match_exactly(messages, rows)


def _match_exactly(messages: Sequence[Message], rows: Sequence[Row]) -> Matched:
    left = Counter(row.line for row in rows)
    there, in_part = [], 0
    for message in messages:
        have = sum(left[line] > 0 for line in message.lines)
        there.append(have == len(message.lines))
        in_part += 0 < have < len(message.lines)
        for line in message.lines:
            left[line] = max(0, left[line] - 1)
    return Matched(there, left.total(), in_part)


def _match_quotes(messages: Sequence[Message], rows: Sequence[Row]) -> Matched:
    """Match quotes. A venue may repeat the current quote to a new subscriber: such a row is not a message."""
    places: defaultdict[Line, list[int]] = defaultdict(list)
    for place, message in enumerate(messages):
        places[message.lines[0]].append(place)
    times = [message.time for message in messages]
    there, surplus = [False] * len(messages), 0
    for row in rows:
        near = [place for place in places[row.line] if _is_near(messages[place], row)]
        if near:
            place = min(near, key=lambda place: abs(messages[place].time - row.time))
            places[row.line].remove(place)
            there[place] = True
        else:
            now = bisect_right(times, row.time + _AT_ONCE)
            surplus += all(message.lines[0] != row.line for message in messages[max(0, now - _RECENT) : now])
    return Matched(there, surplus, 0)


def _is_near(message: Message, row: Row) -> bool:
    return message.time == row.time if message.timed else abs(message.time - row.time) <= _NEAR
