"""What Binance's APIs have in common: subscriptions, control frames, REST books, lists of instruments.

- An acknowledged subscription has ``result`` null. A refused one has ``error`` on spot, a bare ``code`` and ``msg``
  on the futures and on Binance.US.
- Before a server shuts down, it sends the event ``serverShutdown`` ("WebSocket Streams": Server Shutdown).
- Symbols have no mark between base and quote; the longest known quote asset decides.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import (
    LEAVE,
    Listing,
    Message,
    NotUnderstood,
    Refused,
    Request,
    Rest,
    RestBook,
    Subscription,
)
from booktape.exchanges.wire import MILLISECOND, QUOTE_ASSETS, chunks, digits, millis, path_and_query, split_pair
from booktape.model.records import BOOK_SNAPSHOTS, BookSnapshot, Instrument

SUBSCRIPTIONS_PER_MESSAGE: Final = 100
CONNECTION_LIFETIME: Final = 24 * 3600

pair: Final = partial(split_pair, quotes=(*QUOTE_ASSETS, "EURI", "RLUSD", "U"))
"""``BTCUSDT`` to ``BTC-USDT``."""

us_pair: Final = partial(split_pair, quotes=("BNB", "BTC", "DAI", "ETH", "FDUSD", "USD", "USDC", "USDT"))
"""The same for Binance.US. What is quoted in USD is not in TUSD or BUSD: ``DOTUSD``, ``BNBUSD``, ``USDTUSD``."""


class _Error(Struct):
    code: int = 0
    msg: str = ""


class _Control(Struct):
    id: int | str | None = None
    error: _Error | None = None
    code: int | None = None
    msg: str = ""


class _Shutdown(Struct):
    e: Literal["serverShutdown"]


class _Leaving(Struct):
    data: _Shutdown


class _Depth(Struct):
    lastUpdateId: int
    bids: Raw
    asks: Raw
    E: int = 0
    T: int = 0


_control = json.Decoder(_Control)
_leaving = json.Decoder(_Leaving)
_depth = json.Decoder(_Depth)


def control(frame: bytes) -> Sequence[Message]:
    """A frame without an event: an answer to a subscription."""
    content = _control.decode(frame)
    error = content.error or (_Error(content.code, content.msg) if content.code is not None else None)
    if error is not None:
        raise Refused(f"{error.msg} (code {error.code})")
    if content.id is None:
        raise NotUnderstood("frame without stream or id")
    return ()


def leaving(frame: bytes) -> Sequence[Message]:
    """An event that has no symbol: that of a server which will end the connection, or a ValidationError."""
    return ((LEAVE, "", 0, _leaving.decode(frame).data.e),)


def parse_rest(url: str, body: bytes, received: int, sent: int | None) -> Sequence[Message]:
    """An answer of ``GET …/depth`` to the snapshot it is. Only that of the futures carries times."""
    path, query = path_and_query(url)
    if not path.endswith("/depth"):
        return ()
    symbol, book = query["symbol"], _depth.decode(body)
    time, sent = millis(book.T), millis(book.E) or sent
    snapshot = BookSnapshot(
        last_id=book.lastUpdateId,
        timestamp=time,
        bids=book.bids,
        asks=book.asks,
        origin="rest",
        local_timestamp=received,
        sent_timestamp=sent,
    )
    return ((BOOK_SNAPSHOTS, symbol, time or sent or 0, snapshot),)


def requests(method: str, subscriptions: Sequence[Subscription]) -> list[bytes]:
    """The messages that subscribe to streams, or unsubscribe from them."""
    names = [f"{subscription.symbol.lower()}@{subscription.channel}" for subscription in subscriptions]
    return [
        json.encode({"method": method, "params": some, "id": number})
        for number, some in enumerate(chunks(names, SUBSCRIPTIONS_PER_MESSAGE), 1)
    ]


def subscribe(subscriptions: Sequence[Subscription]) -> list[bytes]:
    """The messages that subscribe to streams."""
    return requests("SUBSCRIBE", subscriptions)


def unsubscribe(subscriptions: Sequence[Subscription]) -> list[bytes]:
    """The messages that unsubscribe from streams."""
    return requests("UNSUBSCRIBE", subscriptions)


def spot_rest(url: str, budget: int, listing_weight: int, book_weight: int, market: Callable[[str], str]) -> Rest:
    """The REST API of a spot venue.

    :param market: the market's name of a symbol.
    """
    return Rest(
        url=url,
        budget=budget,
        listing=listing("/api/v3/exchangeInfo", listing_weight, market, lambda market: "spot"),
        book=RestBook(lambda symbol: Request(f"/api/v3/depth?symbol={symbol}&limit=1000"), book_weight),
    )


class _Filter(Struct):
    filterType: str
    tickSize: str = ""
    stepSize: str = ""


class _Symbol(Struct):
    symbol: str
    baseAsset: str
    quoteAsset: str
    filters: list[_Filter]
    status: str = ""
    contractStatus: str = ""
    contractSize: Raw = Raw(b"")
    deliveryDate: int = 0


class _Symbols(Struct):
    symbols: list[_Symbol]


_symbols = json.Decoder(_Symbols)


def listing(path: str, weight: int, market: Callable[[str], str], kind: Callable[[str], str]) -> Listing:
    """How an ``exchangeInfo`` lists its instruments.

    :param market: the market's name of a symbol.
    :param kind: what kind of instrument a market is, by its name.
    """

    def parse(body: bytes, received: int) -> list[Instrument]:
        return [instrument(symbol, received) for symbol in _symbols.decode(body).symbols]

    def instrument(symbol: _Symbol, received: int) -> Instrument:
        filters = {found.filterType: found for found in symbol.filters}
        name = market(symbol.symbol)
        return Instrument(
            symbol=symbol.symbol,
            market=name,
            base=symbol.baseAsset,
            quote=symbol.quoteAsset,
            kind=kind(name),
            status=(symbol.status or symbol.contractStatus).lower(),
            price_increment=filters["PRICE_FILTER"].tickSize if "PRICE_FILTER" in filters else None,
            amount_increment=filters["LOT_SIZE"].stepSize if "LOT_SIZE" in filters else None,
            contract_size=digits(symbol.contractSize) if bytes(symbol.contractSize) else None,
            expiry=symbol.deliveryDate * MILLISECOND if kind(name) == "future" else None,
            local_timestamp=received,
        )

    return Listing((Request(path),), parse, weight)
