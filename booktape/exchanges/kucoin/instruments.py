"""The instrument list of KuCoin. Symbols and market names are the same.

Source: "KuCoin API documentation" (docs-new): Get All Symbols.
"""

from msgspec import Struct, json

from booktape.model.records import TRADING, Instrument


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
    """Parse the answer of Get All Symbols."""
    return [
        Instrument(
            symbol=item.symbol,
            market=item.symbol,
            base=item.baseCurrency,
            quote=item.quoteCurrency,
            kind="spot",
            status=TRADING if item.enableTrading else "disabled",
            price_increment=item.priceIncrement,
            amount_increment=item.baseIncrement,
            local_timestamp=received,
        )
        for item in _symbols.decode(body).data
    ]
