"""Symbols, market names and the instrument lists of Gate, for spot pairs and perpetual contracts.

Source: "Gate API v4": ``GET /spot/currency_pairs``, ``GET /futures/{settle}/contracts``.
"""

from msgspec import Struct, json

from booktape.exchanges.wire import increment, instrument_status
from booktape.model.records import TRADING, Instrument


class _Pair(Struct):
    id: str
    base: str
    quote: str
    precision: int
    amount_precision: int
    trade_status: str


class _Contract(Struct):
    name: str
    order_price_round: str
    quanto_multiplier: str
    status: str = ""
    in_delisting: bool = False


_pairs = json.Decoder(list[_Pair])
_contracts = json.Decoder(list[_Contract])


def spot_market(symbol: str) -> str:
    """``BTC_USDT`` to ``BTC-USDT``."""
    return symbol.replace("_", "-")


def gate_spot_symbol(market: str) -> str:
    """The inverse of :func:`spot_market`."""
    return market.replace("-", "_")


def futures_market(symbol: str) -> str:
    """``BTC_USDT`` to ``BTC-USDT-PERP``."""
    return f"{spot_market(symbol)}-PERP"


def futures_symbol(market: str) -> str:
    """The inverse of :func:`futures_market`."""
    return gate_spot_symbol(market.removesuffix("-PERP"))


def pairs(body: bytes, received: int) -> list[Instrument]:
    """Parse the answer of ``GET /spot/currency_pairs``."""
    return [
        Instrument(
            symbol=item.id,
            market=spot_market(item.id),
            base=item.base,
            quote=item.quote,
            kind="spot",
            status=instrument_status(item.trade_status, "tradable"),
            price_increment=increment(item.precision),
            amount_increment=increment(item.amount_precision),
            local_timestamp=received,
        )
        for item in _pairs.decode(body)
    ]


def contracts(body: bytes, received: int) -> list[Instrument]:
    """Parse one answer of ``GET /futures/{settle}/contracts``."""
    return [_contract(item, received) for item in _contracts.decode(body)]


def _contract(item: _Contract, received: int) -> Instrument:
    base, _, quote = item.name.rpartition("_")
    return Instrument(
        symbol=item.name,
        market=futures_market(item.name),
        base=base,
        quote=quote,
        kind="perpetual",
        status="delisting" if item.in_delisting else item.status or TRADING,
        price_increment=item.order_price_round,
        contract_size=item.quanto_multiplier if item.quanto_multiplier != "0" else None,
        local_timestamp=received,
    )
