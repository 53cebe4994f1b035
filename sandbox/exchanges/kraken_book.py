"""Kraken's book at a subscribed depth, and its checksum. Pure.

Source: docs.kraken.com "Book checksum (WebSocket v2)": the checksum is taken over the best ten levels whatever the
depth; after each update a client truncates its book to the subscribed depth, because no removal is sent for a level
that falls out of scope. A level that comes (back) into scope is sent again.
"""

import zlib
from collections.abc import Iterable, Sequence

from sandbox.exchanges.book import BookSide, Level, OrderBook
from sandbox.exchanges.text import TextLevel

CHECKSUM_LEVELS = 10


def checksum(bids: Sequence[TextLevel], asks: Sequence[TextLevel]) -> int:
    """CRC32 over the best ten asks, then bids: price and amount without the point and without leading zeros."""
    best = [*asks[:CHECKSUM_LEVELS], *bids[:CHECKSUM_LEVELS]]
    text = "".join(value.replace(".", "").lstrip("0") for level in best for value in level)
    return zlib.crc32(text.encode())


class SideView:
    """The best `depth` levels of one side, as the subscribers of that depth know them."""

    def __init__(self, side: BookSide, depth: int) -> None:
        self._side = side
        self._depth = depth
        self._last = self._last_price()

    def changes(self, changes: Iterable[Level]) -> list[Level]:
        """The changes to send to subscribers after `changes` were applied to the side."""
        previous, self._last = self._last, self._last_price()
        changes = list(changes)
        seen = [level for level in changes if self._concerns(level, previous)]
        if previous is None:
            return seen
        known = {price for price, _ in changes}
        return seen + [level for level in self._beyond(previous) if level[0] not in known]

    def _concerns(self, level: Level, previous: int | None) -> bool:
        """A removal matters if the level was in view before, anything else if the level is in view now."""
        price, amount = level
        last = self._last if amount else previous
        return last is None or not self._is_behind(price, last)

    def _beyond(self, previous: int) -> list[Level]:
        """The levels now in view that lie behind the last one of before."""
        entered: list[Level] = []
        for index in range(min(self._depth, len(self._side)) - 1, -1, -1):
            price = self._side.price_at(index)
            if not self._is_behind(price, previous):
                break
            entered.append((price, self._side.amounts[price]))
        return entered[::-1]

    def _last_price(self) -> int | None:
        """The price of the last level in view; None while the side has fewer levels than the depth."""
        return self._side.price_at(self._depth - 1) if len(self._side) >= self._depth else None

    def _is_behind(self, price: int, other: int) -> bool:
        return price < other if self._side.descending else price > other


class DepthView:
    """Both sides of a book at one depth."""

    def __init__(self, book: OrderBook, depth: int) -> None:
        self._bids = SideView(book.bids, depth)
        self._asks = SideView(book.asks, depth)

    def changes(self, bids: Iterable[Level], asks: Iterable[Level]) -> tuple[list[Level], list[Level]]:
        """The bids and asks to be sent after these were applied to the book. Call it once per change."""
        return self._bids.changes(bids), self._asks.changes(asks)
