"""Upbit: the names of its markets, and how it lists them (``GET /v1/market/all``)."""

from msgspec import Struct, json

from booktape.core.records import Instrument
from booktape.exchanges.wire import named_instrument


def swapped(name: str) -> str:
    """``KRW-BTC`` to ``BTC-KRW``, and back."""
    first, _, second = name.partition("-")
    return f"{second}-{first}"


class _Market(Struct):
    market: str


_markets = json.Decoder(list[_Market])


def instruments(body: bytes, received: int) -> list[Instrument]:
    """The answer of ``GET /v1/market/all``."""
    return [named_instrument(found.market, swapped(found.market), received) for found in _markets.decode(body)]
