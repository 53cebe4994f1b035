"""Kraken spot, WebSocket v2.

Source: "Kraken API Center": Spot WebSocket v2 (``trade``, ``book``, ``instrument``) and the guide "Book checksum
(WebSocket v2)".

- Trades are numbered by one per market; a subscription begins with the last fifty, if asked to.
- Book messages have no ids, only a CRC32 over the ten best levels of each side after the message. Books are cut to the
  subscribed depth, and levels that fall out are not announced.
- Prices and quantities are JSON numbers with their full precision. The checksum needs every digit, and so do the
  published prices: they are kept as the text that was sent.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from zlib import crc32

from msgspec import Raw, Struct, json

from booktape.core.book import Book
from booktape.core.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    TRADES,
    TRADING,
    BookSnapshot,
    BookUpdate,
    Instrument,
    Level,
    Trade,
)
from booktape.core.sequence import CHECKSUM, CONTIGUOUS
from booktape.exchanges.spec import (
    BookChecksum,
    Channel,
    Exchange,
    Limits,
    Message,
    NotUnderstood,
    Ping,
    Refused,
    Subscription,
    Listing,
    Request,
    Rest,
    by_channel,
)
from booktape.exchanges.wire import digits, levels_of, micros

DEPTH: Final = 1000
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
    """A frame to its records."""
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
            raise Refused(content.error)
        return ()
    raise NotUnderstood(content.channel or "frame without channel")


def _trade_messages(data: Raw, received: int) -> Iterator[Message]:
    for trade in sorted(_trades.decode(data), key=lambda trade: trade.trade_id):
        time = micros(trade.timestamp)
        record = Trade(trade.trade_id, time, trade.side, digits(trade.price), digits(trade.qty), received)
        yield (TRADES, trade.symbol, time, record)


def _book(book: _Book, received: int, *, snapshot: bool) -> Message:
    time = micros(book.timestamp) if book.timestamp is not None else None
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
    return levels_of((digits(level.price), digits(level.qty)) for level in levels)


def checksum(book: Book) -> int:
    """CRC32 over the ten best asks, then the ten best bids: each price and quantity without its point and zeros."""
    return crc32("".join(_checked(book.asks.top(_CHECKED_LEVELS)) + _checked(book.bids.top(_CHECKED_LEVELS))).encode())


def _checked(levels: list[Level]) -> list[str]:
    return [number.replace(".", "").lstrip("0") for level in levels for number in level]


class _Pair(Struct):
    wsname: str
    tick_size: str
    lot_decimals: int
    status: str


class _Pairs(Struct):
    result: dict[str, _Pair]


_pairs = json.Decoder(_Pairs)

# The REST API and its ``wsname`` still speak of XBT and XDG; WebSocket v2 says BTC and DOGE ("Symbols", v2 changes).
_RENAMED: Final = {"XBT": "BTC", "XDG": "DOGE"}


def instruments(body: bytes, received: int) -> list[Instrument]:
    """The answer of ``GET /0/public/AssetPairs``."""
    return [_instrument(pair, received) for pair in _pairs.decode(body).result.values()]


def _instrument(pair: _Pair, received: int) -> Instrument:
    base, quote = (_RENAMED.get(asset, asset) for asset in pair.wsname.split("/"))
    return Instrument(
        symbol=f"{base}/{quote}",
        market=f"{base}-{quote}",
        base=base,
        quote=quote,
        kind="spot",
        status=TRADING if pair.status == "online" else pair.status,
        price_increment=pair.tick_size,
        amount_increment=digits(f"1e-{pair.lot_decimals}"),
        local_timestamp=received,
    )


def _requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    return [
        json.encode({"method": method, "params": _params(channel, symbols)})
        for channel, symbols in by_channel(subscriptions, LIMITS.subscriptions_per_message)
    ]


def _params(channel: str, symbols: list[str]) -> dict[str, object]:
    if channel == "instrument":
        return {"channel": channel}
    depth = {"depth": DEPTH} if channel == "book" else {}
    return {"channel": channel, "symbol": symbols, "snapshot": True, **depth}


LIMITS: Final = Limits(streams_per_connection=400, messages_per_second=5, subscriptions_per_message=100)

EXCHANGES: Final = (
    Exchange(
        id="kraken",
        title="Kraken spot",
        docs="https://docs.kraken.com/api/docs/websocket-v2/book",
        websocket_url="wss://ws.kraken.com/v2",
        channels=(
            Channel("trade", (TRADES,), CONTIGUOUS, quiet=600),
            Channel("book", (BOOK_SNAPSHOTS, BOOK_UPDATES), CHECKSUM),
        ),
        limits=LIMITS,
        symbol=lambda market: market.replace("-", "/"),
        market=lambda symbol: symbol.replace("/", "-"),
        parser=lambda: parse,
        subscribe=lambda subscriptions: _requests("subscribe", subscriptions),
        unsubscribe=lambda subscriptions: _requests("unsubscribe", subscriptions),
        rest=Rest(
            url="https://api.kraken.com",
            budget=60,  # public endpoints: one a second
            listing=Listing((Request("/0/public/AssetPairs"),), instruments),
        ),
        ping=Ping(b'{"method":"ping"}', seconds=30),
        book_checksum=BookChecksum(checksum, DEPTH),
        connection_channels=("instrument",),
    ),
)
