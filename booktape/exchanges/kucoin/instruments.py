"""KuCoin's instruments, whose names are ours.

Source: "KuCoin API documentation" (docs-new): Get All Symbols.
"""

from msgspec import Struct, json

from booktape.core.records import TRADING, Instrument


class _Symbol(Struct):
    symbol: str
    baseCurrency: str
    quoteCurrency: str
    priceIncrement: str
    baseIncrement: str
    enableTrading: bool


class _Symbols(Struct):
    data: list[_Symbol]


_symbols = json.Decoder(_Symbols)


def instruments(body: bytes, received: int) -> list[Instrument]:
    """The answer of Get All Symbols."""
    return [
        Instrument(
            symbol=told.symbol,
            market=told.symbol,
            base=told.baseCurrency,
            quote=told.quoteCurrency,
            kind="spot",
            status=TRADING if told.enableTrading else "disabled",
            price_increment=told.priceIncrement,
            amount_increment=told.baseIncrement,
            local_timestamp=received,
        )
        for told in _symbols.decode(body).data
    ]
