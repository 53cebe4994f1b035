"""Symbols, market names and the REST API, which Gemini's two WebSocket APIs share.

Source: "Gemini API": REST Market Data: List Symbols. No endpoint gives the details of all symbols at once: the list
holds only names, so base and quote are taken from them.
"""

from collections.abc import Callable
from typing import Final

from msgspec import json

from booktape.exchanges.spec import Listing, Request, Rest
from booktape.exchanges.wire import instrument_from_name, split_pair
from booktape.model.records import Instrument

PERPETUAL: Final = "PERP"

_QUOTES: Final = (
    "BCH", "BTC", "DAI", "DOGE", "ETH", "EUR", "FIL", "GBP", "GUSD", "LTC", "RLUSD", "SGD", "SOL",
    "USD", "USDC", "USDT",
)  # fmt: skip
_NOT_GUSD: Final = {"PAXGUSD": "PAXG-USD", "USDGUSD": "USDG-USD"}
"""Pairs in USD whose symbols end with GUSD."""


def symbol(market: str) -> str:
    """``BTC-USD`` to ``BTCUSD``, ``BTC-GUSD-PERP`` to ``BTCGUSDPERP``."""
    return market.replace("-", "")


def market(symbol: str) -> str:
    """``BTCUSD`` to ``BTC-USD``, ``BTCGUSDPERP`` to ``BTC-GUSD-PERP``."""
    pair = symbol.removesuffix(PERPETUAL)
    name = _NOT_GUSD.get(pair) or split_pair(pair, _QUOTES)
    return f"{name}-PERP" if pair != symbol else name


def gemini_rest(case: Callable[[str], str]) -> Rest:
    """The REST API.

    :param case: converts a symbol to the case in which the WebSocket API writes symbols.
    """

    def instruments(body: bytes, received: int) -> list[Instrument]:
        return [instrument_from_name(case(name), market(name.upper()), received) for name in _names.decode(body)]

    return Rest(
        url="https://api.gemini.com",
        weight_per_minute=60,  # 120 a minute are allowed
        listing=Listing((Request("/v1/symbols"),), instruments),
    )


_names = json.Decoder(list[str])
