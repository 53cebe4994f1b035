"""Symbols, market names and the instrument list of HTX swaps and futures ("Query Swap Info")."""

from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.wire import MILLISECOND, decimal_text
from booktape.model.records import TRADING, Instrument

_STATUS: Final = {
    0: "delisting", 1: TRADING, 2: "pending listing", 3: "suspension", 4: "suspending of listing",
    5: "in settlement", 6: "delivering", 7: "settlement completed", 8: "delivered",
}  # fmt: skip


class _Contract(Struct):
    symbol: str
    contract_code: str
    contract_size: Raw
    price_tick: Raw
    contract_status: int
    delivery_time: str = ""


class _Contracts(Struct):
    data: list[_Contract]


_contracts = json.Decoder(_Contracts)


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse the answer of ``swap_contract_info``."""
    return [_instrument(contract, received) for contract in _contracts.decode(body).data]


def _instrument(contract: _Contract, received: int) -> Instrument:
    code = contract.contract_code
    dated = is_dated(code)
    return Instrument(
        symbol=code,
        market=market(code),
        base=contract.symbol,
        quote=code.split("-")[1],
        kind="future" if dated else "perpetual",
        status=_STATUS.get(contract.contract_status, f"status {contract.contract_status}"),
        price_increment=decimal_text(contract.price_tick),
        amount_increment="1",
        contract_size=decimal_text(contract.contract_size),
        expiry=int(contract.delivery_time) * MILLISECOND if dated and contract.delivery_time else None,
        local_timestamp=received,
    )


def is_dated(symbol: str) -> bool:
    """Whether a contract expires."""
    return symbol.count("-") > 1


def market(symbol: str) -> str:
    """``BTC-USD`` to ``BTC-USD-PERP``; dated contracts, ``BTC-USDT-220318``, keep their symbol."""
    return symbol if is_dated(symbol) else f"{symbol}-PERP"
