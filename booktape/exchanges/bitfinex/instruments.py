"""Symbols, market names and the instrument list of Bitfinex.

Source: "Bitfinex API": WebSocket General (symbols), REST Configs (``pub:info:pair:futures``, ``pub:info:pair``).
"""

from typing import Final

from msgspec import Struct, json

from booktape.exchanges.wire import instrument_from_name
from booktape.model.records import Instrument

_SHORT: Final = 3
"""A pair of two assets with this many letters each has no colon."""


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
    """Parse the answer of ``GET /v2/conf/pub:info:pair:futures,pub:info:pair``: one list of pairs for each.

    Prices have five significant digits, so there is no price increment. Amount increments are not listed.
    """
    names = [f"t{pair.name}" for pairs in _lists.decode(body) for pair in pairs]
    return [instrument_from_name(name, market(name), received) for name in names]
