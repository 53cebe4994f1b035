"""Bitfinex's instruments: their names, and how REST lists them.

Source: "Bitfinex API": WebSocket General (symbols), REST Configs (``pub:info:pair:futures``, ``pub:info:pair``).
"""

from typing import Final

from msgspec import Struct, json

from booktape.core.records import Instrument
from booktape.exchanges.wire import named_instrument

_SHORT: Final = 3
"""Pairs of two assets of this many letters are written without a colon."""


def symbol(market: str) -> str:
    """``BTC-USD`` to ``tBTCUSD``, ``DOGE-USD`` to ``tDOGE:USD``, ``BTC-UST-PERP`` to ``tBTCF0:USTF0``."""
    base, quote, *perpetual = market.split("-")
    if perpetual:
        return f"t{base}F0:{quote}F0"
    return f"t{base}{quote}" if len(base) == len(quote) == _SHORT else f"t{base}:{quote}"


def market(symbol: str) -> str:
    """``tBTCUSD`` to ``BTC-USD``, ``tDOGE:USD`` to ``DOGE-USD``, ``tBTCF0:USTF0`` to ``BTC-UST-PERP``."""
    pair = symbol.removeprefix("t")
    base, colon, quote = pair.partition(":")
    if not colon:
        return f"{pair[:_SHORT]}-{pair[_SHORT:]}"
    if base.endswith("F0") and quote.endswith("F0"):
        return f"{base.removesuffix('F0')}-{quote.removesuffix('F0')}-PERP"
    return f"{base}-{quote}"


class _Pair(Struct, array_like=True):
    name: str


_lists = json.Decoder(list[list[_Pair]])


def instruments(body: bytes, received: int) -> list[Instrument]:
    """The answer of ``GET /v2/conf/pub:info:pair:futures,pub:info:pair``: one list of pairs for each.

    Prices have five significant digits, so there is no tick; nothing is told of lots.
    """
    names = [f"t{pair.name}" for pairs in _lists.decode(body) for pair in pairs]
    return [named_instrument(name, market(name), received) for name in names]
