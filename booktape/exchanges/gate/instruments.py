"""Gate's instruments and their names, those of spot pairs and of perpetual contracts.

Source: "Gate API v4": ``GET /spot/currency_pairs``, ``GET /futures/{settle}/contracts``.
"""

from msgspec import Struct, json

from booktape.core.records import TRADING, Instrument
from booktape.exchanges.wire import status_of, step


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


def spot_symbol(market: str) -> str:
    """The other way round."""
    return market.replace("-", "_")


def futures_market(symbol: str) -> str:
    """``BTC_USDT`` to ``BTC-USDT-PERP``."""
    return f"{spot_market(symbol)}-PERP"


def futures_symbol(market: str) -> str:
    """The other way round."""
    return spot_symbol(market.removesuffix("-PERP"))


def pairs(body: bytes, received: int) -> list[Instrument]:
    """The answer of ``GET /spot/currency_pairs``."""
    return [
        Instrument(
            symbol=told.id,
            market=spot_market(told.id),
            base=told.base,
            quote=told.quote,
            kind="spot",
            status=status_of(told.trade_status, "tradable"),
            price_increment=step(told.precision),
            amount_increment=step(told.amount_precision),
            local_timestamp=received,
        )
        for told in _pairs.decode(body)
    ]


def contracts(body: bytes, received: int) -> list[Instrument]:
    """An answer of ``GET /futures/{settle}/contracts``."""
    return [_contract(told, received) for told in _contracts.decode(body)]


def _contract(told: _Contract, received: int) -> Instrument:
    base, _, quote = told.name.rpartition("_")
    return Instrument(
        symbol=told.name,
        market=futures_market(told.name),
        base=base,
        quote=quote,
        kind="perpetual",
        status="delisting" if told.in_delisting else told.status or TRADING,
        price_increment=told.order_price_round,
        contract_size=told.quanto_multiplier if told.quanto_multiplier != "0" else None,
        local_timestamp=received,
    )
