"""What Gemini's two APIs have in common: the names of the instruments, and how REST lists them.

Source: "Gemini API": REST Market Data: List Symbols. No endpoint gives the details of all symbols at once: the list has
names only, and base and quote are read off them.
"""

from collections.abc import Callable
from typing import Final

from msgspec import json

from booktape.core.records import Instrument
from booktape.exchanges.spec import Listing, Request, Rest
from booktape.exchanges.wire import named_instrument, split_pair

NANOSECONDS: Final = 1_000
"""In a microsecond."""

PERPETUAL: Final = "PERP"

_QUOTES: Final = (
    "BCH", "BTC", "DAI", "DOGE", "ETH", "EUR", "FIL", "GBP", "GUSD", "LTC", "RLUSD", "SGD", "SOL",
    "USD", "USDC", "USDT",
)  # fmt: skip
_NOT_GUSD: Final = {"PAXGUSD": "PAXG-USD", "USDGUSD": "USDG-USD"}
"""Pairs in USD that look as if they were in GUSD."""


def symbol(market: str) -> str:
    """``BTC-USD`` to ``BTCUSD``, ``BTC-GUSD-PERP`` to ``BTCGUSDPERP``."""
    return market.replace("-", "")


def market(symbol: str) -> str:
    """``BTCUSD`` to ``BTC-USD``, ``BTCGUSDPERP`` to ``BTC-GUSD-PERP``."""
    pair = symbol.removesuffix(PERPETUAL)
    name = _NOT_GUSD.get(pair) or split_pair(pair, _QUOTES)
    return f"{name}-PERP" if pair != symbol else name


def rest(case: Callable[[str], str]) -> Rest:
    """The REST API, as it is for a WebSocket API that writes the symbols in upper or in lower case."""

    def instruments(body: bytes, received: int) -> list[Instrument]:
        return [named_instrument(case(name), market(name.upper()), received) for name in _names.decode(body)]

    return Rest(
        url="https://api.gemini.com",
        budget=60,  # 120 a minute are allowed
        listing=Listing((Request("/v1/symbols"),), instruments),
    )


_names = json.Decoder(list[str])
