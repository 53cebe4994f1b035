"""What the exchange sent, from its ledger: the position of each record in its stream, and a hash of its content."""

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
    """What was sent in one stream: hashes by position, and the first position that must have been stored."""

    hashes: dict[int, int] = field(default_factory=dict)
    due_from: int | None = None

    @property
    def due(self) -> list[int]:
        """The positions that must have been stored."""
        if self.due_from is None:
            return []
        return [position for position in self.hashes if position >= self.due_from]


def read_ledger(path: Path, start: int) -> dict[Stream, Sent]:
    """Read a ledger. Everything after its first ``start`` bytes must have been stored."""
    found: dict[Stream, Sent] = {}
    offset = 0
    with path.open("rb") as file:
        for line in file:
            entry = json.decode(line)
            kind = _DATA_TYPES.get(entry["type"])
            if kind is not None:
                stream = found.setdefault(Stream(kind, entry["market"]), Sent())
                position, content = _sent(kind, entry)
                stream.hashes[position] = hash(content)
                if offset >= start and stream.due_from is None:
                    stream.due_from = position
            offset += len(line)
    return found


def stored(record: Record) -> tuple[int, int]:
    """The position of a stored record, and the hash that the ledger must have there. Raises TypeError for others."""
    match record:
        case Trade():
            content: tuple[Any, ...] = (record.id, record.timestamp, record.side, record.price, record.amount)
            position = record.id
        case BookUpdate():
            content = (record.first_id, record.last_id, *_sides(levels(record.bids), levels(record.asks)))
            position = record.last_id or 0
        case Quote():
            content = (record.id, record.bid_price, record.bid_amount, record.ask_price, record.ask_amount)
            position = record.id or 0
        case _:
            raise TypeError(f"the exchange sends no {type(record).__name__}")
    return int(position), hash(content)


def _sent(kind: str, entry: dict[str, Any]) -> tuple[int, tuple[Any, ...]]:
    if kind == TRADES:
        return entry["id"], tuple(entry[name] for name in ("id", "timestamp", "side", "price", "amount"))
    if kind == BOOK_UPDATES:
        return entry["last_id"], (entry["first_id"], entry["last_id"], *_sides(entry["bids"], entry["asks"]))
    return entry["id"], tuple(entry[name] for name in ("id", "bid_price", "bid_amount", "ask_price", "ask_amount"))


def _sides(*sides: Sequence[Sequence[str]]) -> Iterator[tuple[tuple[str, ...], ...]]:
    for side in sides:
        yield tuple(tuple(level) for level in side)
