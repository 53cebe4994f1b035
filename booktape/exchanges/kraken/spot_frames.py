"""Parser of Kraken spot frames, and the book checksum.

The facts stand in :mod:`booktape.exchanges.kraken`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from zlib import crc32

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Message, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import decimal_text, encode_levels, iso_to_micros
from booktape.model.book import Book
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, TRADES, BookSnapshot, BookUpdate, Level, Trade

_CHECKED_LEVELS: Final = 10
_CONTROL: Final = frozenset({"heartbeat", "status", "instrument"})


class _Level(Struct, gc=False):
    price: Raw
    qty: Raw


class _Book(Struct):
    symbol: str
    bids: list[_Level] = []
    asks: list[_Level] = []
    checksum: int | None = None
    timestamp: str | None = None


class _Trade(Struct, gc=False):
    symbol: str
    side: str
    price: Raw
    qty: Raw
    trade_id: int
    timestamp: str


class _Frame(Struct):
    channel: str = ""
    type: str = ""
    data: Raw = Raw(b"[]")
    method: str = ""
    success: bool = True
    error: str = ""


_frame = json.Decoder(_Frame)
_books = json.Decoder(list[_Book])
_trades = json.Decoder(list[_Trade])


def parse(frame: bytes, received: int) -> Sequence[Message]:
    """Parse one frame into records."""
    content = _frame.decode(frame)
    if content.channel == "book":
        snapshot = content.type == "snapshot"
        return [_book(book, received, snapshot=snapshot) for book in _books.decode(content.data)]
    if content.channel == "trade":
        return list(_trade_messages(content.data, received))
    if content.channel in _CONTROL:
        return ()
    if content.method:
        if not content.success:
            raise SubscriptionRefusedError(content.error)
        return ()
    raise UnknownFrameError(content.channel or "frame without channel")


def _trade_messages(data: Raw, received: int) -> Iterator[Message]:
    for trade in sorted(_trades.decode(data), key=lambda trade: trade.trade_id):
        time = iso_to_micros(trade.timestamp)
        record = Trade(trade.trade_id, time, trade.side, decimal_text(trade.price), decimal_text(trade.qty), received)
        yield (TRADES, trade.symbol, time, record)


def _book(book: _Book, received: int, *, snapshot: bool) -> Message:
    time = iso_to_micros(book.timestamp) if book.timestamp is not None else None
    bids, asks = _side(book.bids), _side(book.asks)
    if snapshot:
        whole = BookSnapshot(
            timestamp=time,
            bids=bids,
            asks=asks,
            checksum=book.checksum,
            origin="stream",
            local_timestamp=received,
        )
        return (BOOK_SNAPSHOTS, book.symbol, time or 0, whole)
    update = BookUpdate(timestamp=time, bids=bids, asks=asks, checksum=book.checksum, local_timestamp=received)
    return (BOOK_UPDATES, book.symbol, time or 0, update)


def _side(levels: Iterable[_Level]) -> Raw:
    return encode_levels((decimal_text(level.price), decimal_text(level.qty)) for level in levels)


def checksum(book: Book) -> int:
    """CRC32 over the ten best asks, then the ten best bids: each price and quantity without point and leading zeros."""
    return crc32("".join(_checked(book.asks.top(_CHECKED_LEVELS)) + _checked(book.bids.top(_CHECKED_LEVELS))).encode())


def _checked(levels: list[Level]) -> list[str]:
    return [number.replace(".", "").lstrip("0") for level in levels for number in level]
