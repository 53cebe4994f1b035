"""What the venue sent, out of its own ledger: messages in the order of sending, and what it did to its numbers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import json

from booktape.model.records import BOOK_UPDATES, QUOTES, TRADES

Range = tuple[int, int]
"""The first and the last of some neighbouring ids."""

Line = tuple[str, ...]
"""What a row of the published file must hold, apart from times of receipt."""

_KINDS: Final = {"trade": TRADES, "book": BOOK_UPDATES, "quote": QUOTES}
_SIDES: Final = (("bid", "bids"), ("ask", "asks"))


class Stream(NamedTuple):
    """One data type of one market."""

    data_type: str
    market: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream: a trade, a book message or a quote.

    ``time`` is the market's at sending, µs; unless it is ``timed``, the venue tells none, and it is that of what was
    sent just before. ``ids`` are None where the venue numbers nothing. ``era`` counts how often they have begun anew.
    """

    time: int
    ids: Range | None
    lines: tuple[Line, ...]
    era: int = 0
    timed: bool = True


@dataclass(slots=True)
class Sent:
    """What was sent in one stream. ``skipped`` are ids that the venue used up for nothing, with their era."""

    messages: list[Message] = field(default_factory=list)
    skipped: list[tuple[int, Range]] = field(default_factory=list)


def read_ledger(path: Path) -> dict[Stream, Sent]:
    """Everything in a ledger."""
    found: dict[Stream, Sent] = {}
    eras: dict[str, int] = {}
    now = 0
    for entry in _entries(path):
        now = max(now, entry["timestamp"] or 0)
        kind, market = _KINDS.get(entry["type"]), entry["market"]
        if kind is not None:
            sent = found.setdefault(Stream(kind, market), Sent())
            sent.messages.append(_message(kind, entry, now, eras.get(market, 0)))
        elif entry["type"] == "skip":
            for data_type, name in ((TRADES, "trades"), (BOOK_UPDATES, "updates")):
                skipped = (eras.get(market, 0), (entry[name][0], entry[name][1]))
                found.setdefault(Stream(data_type, market), Sent()).skipped.append(skipped)
        elif entry["type"] == "reset":
            eras[market] = eras.get(market, 0) + 1
    return found


def trade_line(fields: Iterable[str]) -> Line:
    """A trade's line. Kraken's REST API writes more zeros than its stream (``30243.40000``), and means the same."""
    time, number, side, price, amount = fields
    return time, number, side, _plain(price), _plain(amount)


def _plain(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield json.decode(line)


def _message(kind: str, entry: dict[str, Any], now: int, era: int) -> Message:
    if kind == TRADES:
        line = trade_line(str(entry[name]) for name in ("timestamp", "id", "side", "price", "amount"))
        return Message(entry["timestamp"], (entry["id"], entry["id"]), (line,), era)
    if kind == QUOTES:
        line = tuple(entry[name] for name in ("bid_price", "bid_amount", "ask_price", "ask_amount"))
        return Message(entry["timestamp"] or now, None, (line,), era, timed=entry["timestamp"] is not None)
    time = str(entry["timestamp"])
    lines = tuple((time, side, price, amount) for side, name in _SIDES for price, amount in entry[name])
    ids = None if entry["last_id"] is None else (entry["first_id"], entry["last_id"])
    return Message(entry["timestamp"], ids, lines, era)
