"""Symbols, market names, instrument lists and the REST API of Bybit.

Source: "Bybit API v5": Market: Get Instruments Info, Get Orderbook; Enums: symbol; Rate Limit.

- Linear: ``BTCUSDT``, ``BTCPERP`` (margined in USDC), dated ``BTCUSDT-25DEC26`` and ``BTC-25DEC26`` (USDC). Inverse:
  ``BTCUSD``, dated ``BTCUSDH26`` by the month's letter. Spot symbols look like those of linear perpetuals.
- The lists hold only instruments that trade, unless the request names another status. The spot list has no pages.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from msgspec import Struct, json

from booktape.exchanges.spec import Listing, Request, Rest, RestBook, UnknownFrameError
from booktape.exchanges.wire import MILLISECOND, QUOTE_ASSETS, instrument_status, split_pair
from booktape.model.records import Instrument

_INVERSE: Final = re.compile(r"([^-]+)USD([FGHJKMNQUVXZ][0-9]{2})?")

spot_pair: Final = partial(split_pair, quotes=(*(set(QUOTE_ASSETS) - {"TUSD"}), "RLUSD", "XUSD"))
"""``BTCUSDT`` to ``BTC-USDT``, and ``USDTUSD`` to ``USDT-USD``: Bybit quotes nothing in TUSD."""


def category(symbol: str) -> str:
    """The category of a contract: ``linear`` or ``inverse``."""
    return "inverse" if _INVERSE.fullmatch(symbol) else "linear"


def market(symbol: str) -> str:
    """Symbol of a contract to market name."""
    inverse = _INVERSE.fullmatch(symbol)
    if inverse:
        return f"{inverse[1]}-USD-{inverse[2] or 'PERP'}"
    if symbol.endswith("PERP"):
        return f"{symbol.removesuffix('PERP')}-USDC-PERP"
    pair, dash, expiry = symbol.partition("-")
    if dash and not pair.endswith("USDT"):
        return f"{pair}-USDC-{expiry}"
    return f"{split_pair(pair, ('USDT',))}-{expiry or 'PERP'}"


def symbol(market: str) -> str:
    """Market name of a contract to symbol."""
    pair, _, expiry = market.rpartition("-")
    base, _, quote = pair.rpartition("-")
    if quote == "USDC":
        return f"{base}PERP" if expiry == "PERP" else f"{base}-{expiry}"
    if expiry == "PERP":
        return base + quote
    return f"{base}{quote}{expiry}" if quote == "USD" else f"{base}{quote}-{expiry}"


class _LotSize(Struct):
    qtyStep: str = ""
    basePrecision: str = ""


class _Price(Struct):
    tickSize: str


class _Instrument(Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    status: str
    lotSizeFilter: _LotSize
    priceFilter: _Price
    contractType: str = ""
    deliveryTime: str = "0"


class _Result(Struct):
    list: list[_Instrument]
    nextPageCursor: str | None = None


class _Answer(Struct):
    retCode: int
    retMsg: str
    result: _Result | None = None


_answer = json.Decoder(_Answer)


def _page(body: bytes) -> _Result:
    answer = _answer.decode(body)
    if answer.retCode or answer.result is None:
        raise UnknownFrameError(f"{answer.retMsg} (code {answer.retCode})")
    return answer.result


def _next_page(request: Request, body: bytes) -> Request | None:
    """The request for the next page. The cursor is already encoded for a URL."""
    cursor = _page(body).nextPageCursor
    first = request.path.partition("&cursor=")[0]
    return Request(f"{first}&cursor={cursor}") if cursor else None


def _kind(contract_type: str) -> str:
    if not contract_type:
        return "spot"
    return "perpetual" if contract_type.endswith("Perpetual") else "future"


def _instrument(item: _Instrument, name: str, received: int) -> Instrument:
    return Instrument(
        symbol=item.symbol,
        market=name,
        base=item.baseCoin,
        quote=item.quoteCoin,
        kind=_kind(item.contractType),
        status=instrument_status(item.status, "Trading"),
        price_increment=item.priceFilter.tickSize,
        amount_increment=item.lotSizeFilter.qtyStep or item.lotSizeFilter.basePrecision or None,
        expiry=int(item.deliveryTime or 0) * MILLISECOND or None,
        local_timestamp=received,
    )


def bybit_rest(categories: Sequence[str], name: Callable[[str], str], category: Callable[[str], str]) -> Rest:
    """The REST API for some categories of instruments.

    :param categories: values of the query parameter ``category`` under which instruments are listed.
    :param name: converts a symbol to the market name.
    :param category: gives the category of a symbol.
    """

    def parse(body: bytes, received: int) -> list[Instrument]:
        return [_instrument(item, name(item.symbol), received) for item in _page(body).list]

    def book(symbol: str) -> Request:
        return Request(f"/v5/market/orderbook?category={category(symbol)}&symbol={symbol}&limit=1000")

    path = "/v5/market/instruments-info?category="
    return Rest(
        url="https://api.bybit.com",
        weight_per_minute=1200,  # 600 in 5 seconds are allowed
        listing=Listing(tuple(Request(f"{path}{name}&limit=1000") for name in categories), parse, next_page=_next_page),
        book=RestBook(book),
    )
