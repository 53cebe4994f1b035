"""Symbols, market names and the instrument list of Deribit.

Source: "Deribit API": Naming (instruments) and ``public/get_instruments``.

Inverse instruments begin with the coin alone and are quoted in USD: ``BTC-PERPETUAL`` is ``BTC-USD-PERP``,
``BTC-27MAR26-100000-C`` is ``BTC-USD-27MAR26-100000-C``. The others begin with a pair: ``BTC_USDC-PERPETUAL`` is
``BTC-USDC-PERP``, and ``BTC_USDC`` alone is the spot market. Combos keep their own words (``BTC-USD-FS-27MAR26_PERP``).
"""

from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.wire import ABSENT, MILLISECOND, instrument_status, optional_decimal_text
from booktape.model.records import Instrument

_INVERSE_QUOTE: Final = "USD"
_KINDS: Final = frozenset({"spot", "future", "option"})


def market(symbol: str) -> str:
    """``BTC_USDC-PERPETUAL`` to ``BTC-USDC-PERP``."""
    pair, *rest = symbol.split("-")
    base, _, quote = pair.partition("_")
    return "-".join((base, quote or _INVERSE_QUOTE, *("PERP" if part == "PERPETUAL" else part for part in rest)))


def symbol(market: str) -> str:
    """The inverse of :func:`market`."""
    base, quote, *rest = market.split("-")
    pair = base if rest and quote == _INVERSE_QUOTE else f"{base}_{quote}"
    return "-".join((pair, *("PERPETUAL" if part == "PERP" else part for part in rest)))


class _Instrument(Struct):
    instrument_name: str
    kind: str
    base_currency: str
    quote_currency: str
    is_active: bool
    state: str = "open"
    settlement_period: str = ""
    tick_size: Raw = ABSENT
    min_trade_amount: Raw = ABSENT
    contract_size: Raw = ABSENT
    expiration_timestamp: int | None = None


class _Instruments(Struct):
    result: list[_Instrument]


_instruments = json.Decoder(_Instruments)


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse the answer of ``public/get_instruments``."""
    return [_instrument(item, received) for item in _instruments.decode(body).result]


def _instrument(item: _Instrument, received: int) -> Instrument:
    perpetual = item.settlement_period == "perpetual"
    expiry = item.expiration_timestamp
    expires = expiry is not None and item.kind != "spot" and not perpetual  # the others expire in the year 3000
    state = "inactive" if item.state == "open" and not item.is_active else item.state
    return Instrument(
        symbol=item.instrument_name,
        market=market(item.instrument_name),
        base=item.base_currency,
        quote=item.quote_currency,
        kind="perpetual" if perpetual else item.kind if item.kind in _KINDS else "other",
        status=instrument_status(state, "open"),
        price_increment=optional_decimal_text(item.tick_size),
        amount_increment=optional_decimal_text(item.min_trade_amount),
        contract_size=optional_decimal_text(item.contract_size),
        expiry=expiry * MILLISECOND if expiry is not None and expires else None,
        local_timestamp=received,
    )
