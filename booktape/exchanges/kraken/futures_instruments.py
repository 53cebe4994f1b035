"""Symbols, market names and the instrument list of Kraken Futures.

Source: "Kraken API Center": Derivatives REST "Get instruments".

A symbol is ``P`` (perpetual) or ``F`` (fixed maturity), its style (``F`` flexible, that is linear; ``I`` inverse; ``V``
vanilla), the pair and the maturity. The name of a linear market has no suffix for the style: ``XBT-USD-PERP`` is
PF_XBTUSD, and ``XBT-USD-PERP-INVERSE`` is PI_XBTUSD.
"""

from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.wire import ABSENT, increment, iso_to_micros, optional_decimal_text, split_pair
from booktape.model.records import TRADING, Instrument

_QUOTES: Final = ("USD", "EUR", "GBP", "XBT")  # not TUSD: PF_XBTUSD
_STYLES: Final = {"I": "INVERSE", "V": "VANILLA"}
_LETTERS: Final = {word: letter for letter, word in _STYLES.items()}


def market(symbol: str) -> str:
    """``PF_XBTUSD`` to ``XBT-USD-PERP``, ``FI_XBTUSD_260327`` to ``XBT-USD-260327-INVERSE``."""
    kind, _, rest = symbol.partition("_")
    pair, _, expiry = rest.partition("_")
    name, style = f"{split_pair(pair, _QUOTES)}-{expiry or 'PERP'}", kind[1:]
    return name if style == "F" else f"{name}-{_STYLES.get(style, style)}"


def symbol(market: str) -> str:
    """The inverse of :func:`market`."""
    *pair, last = market.split("-")
    style = "F"
    if last != "PERP" and not last.isdigit():
        style = _LETTERS.get(last, last)
        *pair, last = pair
    return f"P{style}_{''.join(pair)}" if last == "PERP" else f"F{style}_{''.join(pair)}_{last}"


class _Contract(Struct):
    symbol: str
    tradeable: bool
    tickSize: Raw = ABSENT
    contractSize: Raw = ABSENT
    contractValueTradePrecision: int | None = None
    lastTradingTime: str | None = None
    base: str | None = None
    quote: str | None = None


class _Contracts(Struct):
    instruments: list[_Contract]


_contracts = json.Decoder(_Contracts)


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse the answer of ``GET /instruments``. Indices, which have no tick size and are not traded, are left out."""
    return [_instrument(contract, received) for contract in _contracts.decode(body).instruments if contract.tickSize]


def _instrument(contract: _Contract, received: int) -> Instrument:
    name = market(contract.symbol)
    base, quote, *_ = name.split("-")
    places = contract.contractValueTradePrecision
    expiry = contract.lastTradingTime
    return Instrument(
        symbol=contract.symbol,
        market=name,
        base=contract.base or base,
        quote=contract.quote or quote,
        kind="perpetual" if expiry is None else "future",
        status=TRADING if contract.tradeable else "not tradeable",
        price_increment=optional_decimal_text(contract.tickSize),
        amount_increment=None if places is None else increment(places),
        contract_size=optional_decimal_text(contract.contractSize),
        expiry=None if expiry is None else iso_to_micros(expiry),
        local_timestamp=received,
    )
