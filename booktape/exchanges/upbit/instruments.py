"""Symbols, market names and the list of markets (``GET /v1/market/all``) of Upbit."""

from msgspec import Struct, json

from booktape.exchanges.wire import instrument_from_name
from booktape.model.records import Instrument


def swapped(name: str) -> str:
    """``KRW-BTC`` to ``BTC-KRW``, and back."""
    first, _, second = name.partition("-")
    return f"{second}-{first}"


class _Market(Struct):
    market: str


_markets = json.Decoder(list[_Market])


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse the answer of ``GET /v1/market/all``."""
    return [instrument_from_name(item.market, swapped(item.market), received) for item in _markets.decode(body)]
