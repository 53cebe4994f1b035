"""Compares a published CSV with the exchange's ledger: no record may be missing, duplicated or wrong."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

from msgspec import json

from booktape.model.book import Book
from booktape.model.records import BOOK_UPDATES, DAY, SECOND, TRADES

Row = tuple[str, ...]

_LEDGER_TYPE = {TRADES: "trade", BOOK_UPDATES: "book"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison found. ``examples`` are a few rows that differ, for people."""

    rows: int
    missing: int
    surplus: int
    disordered: int
    crossed: int
    examples: tuple[Row, ...]

    @property
    def good(self) -> bool:
        """Whether the file is exactly what the exchange sent."""
        return self.rows > 0 and not (self.missing or self.surplus or self.disordered or self.crossed)


def judge(content: bytes, data_type: str, ledger: Path, day: date) -> Verdict:
    """Compare a published file with a ledger.

    Everything but ``local_timestamp`` must be equal, each row as often as it was sent. Rows of snapshots are not
    messages of the exchange; they must only leave no book crossed.
    """
    published = list(csv.DictReader(io.StringIO(content.decode())))
    got = Counter(_published_rows(published, data_type))
    sent = Counter(_ledger_rows(ledger, data_type, day))
    missing, surplus = sent - got, got - sent
    times = [int(row["timestamp"]) for row in published]
    return Verdict(
        rows=len(published),
        missing=missing.total(),
        surplus=surplus.total(),
        disordered=sum(after < before for before, after in pairwise(times)),
        crossed=_crossed(published) if data_type == BOOK_UPDATES else 0,
        examples=tuple([*missing, *surplus][:3]),
    )


def _published_rows(published: Iterable[dict[str, str]], data_type: str) -> Iterator[Row]:
    for row in published:
        if data_type == TRADES:
            yield row["symbol"], row["timestamp"], row["id"], row["side"], row["price"], row["amount"]
        elif row["is_snapshot"] == "false":
            yield row["symbol"], row["timestamp"], row["side"], row["price"], row["amount"]


def _ledger_rows(ledger: Path, data_type: str, day: date) -> Iterator[Row]:
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
    with ledger.open("rb") as file:
        for line in file:
            entry = json.decode(line)
            if entry["type"] != _LEDGER_TYPE[data_type] or not start <= entry["timestamp"] < start + DAY:
                continue
            head = (entry["market"], str(entry["timestamp"]))
            if data_type == TRADES:
                yield *head, str(entry["id"]), entry["side"], entry["price"], entry["amount"]
            else:
                for side, levels in (("bid", entry["bids"]), ("ask", entry["asks"])):
                    for price, amount in levels:
                        yield *head, side, price, amount


def _crossed(published: Iterable[dict[str, str]]) -> int:
    """The number of messages after which their book is crossed, once a snapshot has begun it."""
    books: dict[str, Book] = {}
    in_snapshot: dict[str, bool] = {}
    crossed = 0
    for rows in _messages(published):
        symbol, is_snapshot = rows[0]["symbol"], rows[0]["is_snapshot"] == "true"
        if is_snapshot and not in_snapshot.get(symbol):
            books[symbol] = Book()
        in_snapshot[symbol] = is_snapshot
        if (book := books.get(symbol)) is not None:
            levels = {side: [(r["price"], r["amount"]) for r in rows if r["side"] == side] for side in ("bid", "ask")}
            book.apply(levels["bid"], levels["ask"])
            crossed += book.is_crossed()
    return crossed


def _messages(published: Iterable[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    """Rows grouped by message. The rows of one message share one ``local_timestamp``."""
    message: list[dict[str, str]] = []
    for row in published:
        if message and any(row[name] != message[0][name] for name in ("symbol", "local_timestamp", "is_snapshot")):
            yield message
            message = []
        message.append(row)
    if message:
        yield message
