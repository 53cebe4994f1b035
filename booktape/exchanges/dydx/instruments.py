"""Symbols, market names and the instrument list of the dYdX chain ("List Perpetual Markets")."""

from msgspec import Struct, json

from booktape.exchanges.wire import instrument_status
from booktape.model.records import Instrument


class _Perpetual(Struct):
    ticker: str
    status: str
    tickSize: str
    stepSize: str


class _Perpetuals(Struct):
    markets: dict[str, _Perpetual]


_perpetuals = json.Decoder(_Perpetuals)


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse the answer of ``GET /v4/perpetualMarkets``."""
    return [_instrument(perpetual, received) for perpetual in _perpetuals.decode(body).markets.values()]


def _instrument(perpetual: _Perpetual, received: int) -> Instrument:
    base, _, quote = perpetual.ticker.rpartition("-")
    return Instrument(
        symbol=perpetual.ticker,
        market=market(perpetual.ticker),
        base=base,
        quote=quote,
        kind="perpetual",
        status=instrument_status(perpetual.status, "ACTIVE"),
        price_increment=perpetual.tickSize,
        amount_increment=perpetual.stepSize,
        local_timestamp=received,
    )


def market(symbol: str) -> str:
    """``BTC-USD`` to ``BTC-USD-PERP``. Commas, which some symbols have, become ``~``."""
    return symbol.replace(",", "~") + "-PERP"


def symbol(market: str) -> str:
    """The inverse of :func:`market`."""
    return market.removesuffix("-PERP").replace("~", ",")
