"""Symbols, market names and the instrument lists of Hyperliquid (``allPerpMetas``, ``spotMeta``)."""

from typing import Final

from msgspec import Struct, json

from booktape.exchanges.wire import increment
from booktape.model.records import TRADING, Instrument

_PERP: Final = "-USD-PERP"
_SPOT: Final = "-SPOT"


def market(symbol: str) -> str:
    """``BTC`` to ``BTC-USD-PERP``, ``PURR/USDC`` to ``PURR-USDC``, ``@107`` to ``@107-SPOT``."""
    if symbol.startswith("@"):
        return symbol + _SPOT
    return symbol.replace("/", "-") if "/" in symbol else symbol + _PERP


def symbol(market: str) -> str:
    """The inverse of :func:`market`."""
    if market.endswith(_PERP):
        return market.removesuffix(_PERP)
    return market.removesuffix(_SPOT) if market.startswith("@") else market.replace("-", "/")


class _Perpetual(Struct):
    name: str
    szDecimals: int
    isDelisted: bool = False


class _Universe(Struct):
    universe: list[_Perpetual]


class _Token(Struct):
    name: str
    szDecimals: int
    index: int


class _Pair(Struct):
    name: str
    tokens: tuple[int, int]


class _Spot(Struct):
    universe: list[_Pair]
    tokens: list[_Token]


_perpetuals = json.Decoder(list[_Universe])
_spot = json.Decoder(_Spot)


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse an answer of ``POST /info``: ``allPerpMetas``, a list with one object for each dex, or ``spotMeta``."""
    if body.lstrip().startswith(b"["):
        return [_perpetual(item, received) for dex in _perpetuals.decode(body) for item in dex.universe]
    spot = _spot.decode(body)
    tokens = {token.index: token for token in spot.tokens}
    return [_pair(pair, tokens[pair.tokens[0]], tokens[pair.tokens[1]], received) for pair in spot.universe]


def _perpetual(item: _Perpetual, received: int) -> Instrument:
    return Instrument(
        symbol=item.name,
        market=market(item.name),
        base=item.name,
        quote="USD",
        kind="perpetual",
        status="delisted" if item.isDelisted else TRADING,
        amount_increment=increment(item.szDecimals),
        local_timestamp=received,
    )


def _pair(pair: _Pair, base: _Token, quote: _Token, received: int) -> Instrument:
    return Instrument(
        symbol=pair.name,
        market=market(pair.name),
        base=base.name,
        quote=quote.name,
        kind="spot",
        status=TRADING,
        amount_increment=increment(base.szDecimals),
        local_timestamp=received,
    )
