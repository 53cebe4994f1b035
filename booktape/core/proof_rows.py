"""The rows that a market has in the published file, told from its stored records alone: how many, and their digest.

The merge's SQL writes the file; this computes the same text in plain Python, so that each holds the other to account.
"""

from array import array
from collections.abc import Iterator
from hashlib import sha256
from heapq import heappop, heappush
from typing import Any, Final, Generic, TypeVar

from booktape.core import csv
from booktape.core.csv import PublishedRecord
from booktape.core.proof_loss import has_number
from booktape.core.proof_terms import Terms
from booktape.core.records import MINUTE, TRADES, BookSnapshot, BookUpdate, Trade, levels, record_time

_QUOTES_OF_A_ROW: Final = 16
_BUCKETS: Final = 256
"""So many parts are looked through one after the other."""
WINDOW: Final = 2 * MINUTE
"""How far the venue's times may run against its numbers and still be put into the file's order here."""

T = TypeVar("T")


class InOrder(Generic[T]):
    """Puts items in the order of some key of which the first part is a time (µs), holding those of a short time only.

    ``broken``: an item came later than that allows, so the order that was given is not the file's.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._heap: list[tuple[int, Any, int, T]] = []
        self._window = window
        self._number = 0
        self._newest = 0
        self._given: tuple[int, Any] | None = None
        self.broken = False

    def put(self, time: int, key: Any, item: T) -> Iterator[T]:
        """Take an item; gives those before which none can come any more."""
        if self._given is not None and (time, key) < self._given:
            self.broken = True
        self._number += 1
        heappush(self._heap, (time, key, self._number, item))
        self._newest = max(self._newest, time)
        return self._until(self._newest - self._window)

    def rest(self) -> Iterator[T]:
        """All that is held."""
        return self._until(self._newest + 1)

    def _until(self, end: int) -> Iterator[T]:
        heap = self._heap
        while heap and heap[0][0] < end:
            time, key, _, item = heappop(heap)
            self._given = (time, key)
            yield item


class Repeats:
    """Tells whether any of very many texts came twice, in eight bytes each: a day of ids does not fit into a set.

    Two texts of one hash are taken for the same one, which costs time, and nothing else.
    """

    __slots__ = ("_hashes",)

    def __init__(self) -> None:
        self._hashes = [array("q") for _ in range(_BUCKETS)]

    def add(self, text: str) -> None:
        """Take the next text."""
        number = hash(text)
        self._hashes[number % _BUCKETS].append(number)

    def any(self) -> bool:
        """Whether one came twice."""
        return any(len(set(numbers)) < len(numbers) for numbers in self._hashes)


class Rows:
    """Counts and digests the lines of one market's rows, in the order of the file.

    ``records`` counts the published records themselves, but for a book's snapshots; ``unnumbered`` are those of them
    that lack the number which the venue's rule is about.
    """

    __slots__ = ("_begin", "_digest", "_exchange", "_market", "_rule", "count", "records", "unnumbered")

    def __init__(self, terms: Terms) -> None:
        self._exchange, self._market, self._rule = terms.exchange, terms.market, terms.rule
        self._begin = _begin(terms.exchange, terms.market)
        self._digest = sha256()
        self.count = self.records = self.unnumbered = 0

    def add(self, record: PublishedRecord) -> None:
        """Add the rows of the next record."""
        match record:
            case Trade():
                lines = [self._trade(record)]
            case BookUpdate() | BookSnapshot():
                lines = self._levels(record)
            case _:
                lines = self._any(record)
        if not isinstance(record, BookSnapshot):
            self.records += 1
            self.unnumbered += not has_number(record, self._rule)
        self.count += len(lines)
        self._digest.update("".join(lines).encode())

    def _trade(self, trade: Trade) -> str:
        """One line, written here since there are so many of them."""
        text = (
            f'{self._begin}"{trade.timestamp}","{trade.local_timestamp}","{trade.id}",'
            f'"{trade.side}","{trade.price}","{trade.amount}"\n'
        )
        return text if text.count('"') == _QUOTES_OF_A_ROW else self._any(trade)[0]

    def _levels(self, message: BookUpdate | BookSnapshot) -> list[str]:
        snapshot = "true" if isinstance(message, BookSnapshot) else "false"
        begin = f'{self._begin}"{record_time(message)}","{message.local_timestamp}","{snapshot}",'
        return [
            f'{begin}"{side}","{price}","{amount}"\n'
            for side, raw in (("bid", message.bids), ("ask", message.asks))
            for price, amount in levels(raw)
        ]

    def _any(self, record: PublishedRecord) -> list[str]:
        return list(csv.lines(TRADES, csv.rows(self._exchange, self._market, record)))[1:]

    @property
    def sha256(self) -> str:
        """Over the market's lines, each with its LF, without the header."""
        return self._digest.hexdigest()


def _begin(exchange: str, market: str) -> str:
    market = market.replace('"', '""')
    return f'"{exchange}","{market}",'
