"""What the exchange sent, out of its ledger: each record's place in its stream, and a hash of what it says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import json

from booktape.model.records import BOOK_UPDATES, QUOTES, TRADES, BookUpdate, Quote, Record, Trade, levels

_DATA_TYPES: Final = {"trade": TRADES, "book": BOOK_UPDATES, "quote": QUOTES}


class Stream(NamedTuple):
    """One data type of one market."""

    data_type: str
    market: str


@dataclass(slots=True)
class Sent:
    """What was sent in one stream: hashes by place, and the first place that must have been stored."""

    hashes: dict[int, int] = field(default_factory=dict)
    due_from: int | None = None

    @property
    def due(self) -> list[int]:
        """The places that must have been stored."""
        if self.due_from is None:
            return []
        return [place for place in self.hashes if place >= self.due_from]


def read_ledger(path: Path, start: int) -> dict[Stream, Sent]:
    """Everything in a ledger. What lies behind ``start`` (bytes) must have been stored."""
    found: dict[Stream, Sent] = {}
    position = 0
    with path.open("rb") as file:
        for line in file:
            entry = json.decode(line)
            kind = _DATA_TYPES.get(entry["type"])
            if kind is not None:
                stream = found.setdefault(Stream(kind, entry["market"]), Sent())
                place, content = _sent(kind, entry)
                stream.hashes[place] = hash(content)
                if position >= start and stream.due_from is None:
                    stream.due_from = place
            position += len(line)
    return found


def stored(record: Record) -> tuple[int, int]:
    """A stored record's place, and the hash of what the ledger should say as well. Raises TypeError for others."""
    match record:
        case Trade():
            said: tuple[Any, ...] = (record.id, record.timestamp, record.side, record.price, record.amount)
            place = record.id
        case BookUpdate():
            said = (record.first_id, record.last_id, *_sides(levels(record.bids), levels(record.asks)))
            place = record.last_id or 0
        case Quote():
            said = (record.id, record.bid_price, record.bid_amount, record.ask_price, record.ask_amount)
            place = record.id or 0
        case _:
            raise TypeError(f"nobody sent a {type(record).__name__}")
    return int(place), hash(said)


def _sent(kind: str, entry: dict[str, Any]) -> tuple[int, tuple[Any, ...]]:
    if kind == TRADES:
        return entry["id"], tuple(entry[name] for name in ("id", "timestamp", "side", "price", "amount"))
    if kind == BOOK_UPDATES:
        return entry["last_id"], (entry["first_id"], entry["last_id"], *_sides(entry["bids"], entry["asks"]))
    return entry["id"], tuple(entry[name] for name in ("id", "bid_price", "bid_amount", "ask_price", "ask_amount"))


def _sides(*sides: Sequence[Sequence[str]]) -> Iterator[tuple[tuple[str, ...], ...]]:
    for side in sides:
        yield tuple(tuple(level) for level in side)
