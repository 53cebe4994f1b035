"""What the venue sent, from its ledger: messages in the order of sending, skipped ids and sequence resets."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import json

from booktape.model.records import BOOK_UPDATES, QUOTES, TRADES

Range = tuple[int, int]
"""The first and the last of consecutive ids, both included."""

Line = tuple[str, ...]
"""What a row of the published file must contain, without receive times."""

_KINDS: Final = {"trade": TRADES, "book": BOOK_UPDATES, "quote": QUOTES}
_SIDES: Final = (("bid", "bids"), ("ask", "asks"))


class Stream(NamedTuple):
    """One data type of one market."""

    data_type: str
    market: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream: a trade, a book message or a quote.

    ``time`` (µs) is the market's at sending. Where ``timed`` is false, the venue sends no time, and it is that of the
    message before. ``ids`` are None where the venue numbers nothing. ``epoch`` counts the sequence resets so far.
    """

    time: int
    ids: Range | None
    lines: tuple[Line, ...]
    epoch: int = 0
    timed: bool = True


@dataclass(slots=True)
class Sent:
    """What was sent in one stream. ``skipped`` are burned ids, used for no message, with their epoch."""

    messages: list[Message] = field(default_factory=list)
    skipped: list[tuple[int, Range]] = field(default_factory=list)


def read_ledger(path: Path) -> dict[Stream, Sent]:
    """Read a ledger."""
    found: dict[Stream, Sent] = {}
    epochs: dict[str, int] = {}
    now = 0
    for entry in _entries(path):
        now = max(now, entry["timestamp"] or 0)
        kind, market = _KINDS.get(entry["type"]), entry["market"]
        if kind is not None:
            sent = found.setdefault(Stream(kind, market), Sent())
            sent.messages.append(_message(kind, entry, now, epochs.get(market, 0)))
        elif entry["type"] == "skip":
            for data_type, name in ((TRADES, "trades"), (BOOK_UPDATES, "updates")):
                skipped = (epochs.get(market, 0), (entry[name][0], entry[name][1]))
                found.setdefault(Stream(data_type, market), Sent()).skipped.append(skipped)
        elif entry["type"] == "reset":
            epochs[market] = epochs.get(market, 0) + 1
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


def _message(kind: str, entry: dict[str, Any], now: int, epoch: int) -> Message:
    if kind == TRADES:
        line = trade_line(str(entry[name]) for name in ("timestamp", "id", "side", "price", "amount"))
        return Message(entry["timestamp"], (entry["id"], entry["id"]), (line,), epoch)
    if kind == QUOTES:
        line = tuple(entry[name] for name in ("bid_price", "bid_amount", "ask_price", "ask_amount"))
        return Message(entry["timestamp"] or now, None, (line,), epoch, timed=entry["timestamp"] is not None)
    time = str(entry["timestamp"])
    lines = tuple((time, side, price, amount) for side, name in _SIDES for price, amount in entry[name])
    ids = None if entry["last_id"] is None else (entry["first_id"], entry["last_id"])
    return Message(entry["timestamp"], ids, lines, epoch)
