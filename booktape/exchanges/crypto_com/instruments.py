"""Symbols, market names and the instrument list of Crypto.com (``public/get-instruments``)."""

from typing import Final

from msgspec import Struct, json

from booktape.exchanges.wire import MILLISECOND
from booktape.model.records import TRADING, Instrument

_KINDS: Final = {"CCY_PAIR": "spot", "PERPETUAL_SWAP": "perpetual", "FUTURE": "future", "OPTION": "option"}
_QUOTES: Final = ("USDT", "USDC", "USD")


def market(symbol: str) -> str:
    """``BTC_USDT`` to ``BTC-USDT``, ``BTCUSD-PERP`` to ``BTC-USD-PERP``; anything else gets ``-OTHER`` at its end."""
    if "-" not in symbol and "_" in symbol:
        return "-".join(symbol.rsplit("_", 1))
    pair, dash, rest = symbol.partition("-")
    quote = next((quote for quote in _QUOTES if pair.endswith(quote) and pair != quote), "")
    return f"{pair.removesuffix(quote)}-{quote}-{rest}" if dash and quote else f"{symbol}-OTHER"


def symbol(market: str) -> str:
    """The inverse of :func:`market`."""
    if market.endswith("-OTHER"):
        return market.removesuffix("-OTHER")
    parts = market.split("-", 2)
    return f"{parts[0]}{parts[1]}-{parts[2]}" if len(parts) == 3 else "_".join(parts)


class _Instrument(Struct):
    symbol: str
    inst_type: str
    base_ccy: str
    quote_ccy: str
    price_tick_size: str
    qty_tick_size: str
    tradable: bool
    expiry_timestamp_ms: int = 0
    contract_size: str | None = None


class _Instruments(Struct):
    data: list[_Instrument]


class _Listing(Struct):
    result: _Instruments


_listing = json.Decoder(_Listing, strict=False)


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse the answer of ``GET /exchange/v1/public/get-instruments``."""
    return [
        Instrument(
            symbol=item.symbol,
            market=market(item.symbol),
            base=item.base_ccy,
            quote=item.quote_ccy,
            kind=_KINDS.get(item.inst_type, "other"),
            status=TRADING if item.tradable else "not tradable",
            price_increment=item.price_tick_size,
            amount_increment=item.qty_tick_size,
            contract_size=item.contract_size,
            expiry=item.expiry_timestamp_ms * MILLISECOND if item.inst_type in ("FUTURE", "OPTION") else None,
            local_timestamp=received,
        )
        for item in _listing.decode(body).result.data
    ]
