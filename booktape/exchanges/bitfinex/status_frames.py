"""Parser of the Bitfinex channel ``status``: derivative tickers, and the liquidations of the whole venue.

Source: "Bitfinex API": Status (WebSocket), Liquidations (REST, for the meaning of the fields).

- ``CURRENT_FUNDING`` is the rate of the period that ends at ``NEXT_FUNDING_EVT_MTS``, ``NEXT_FUNDING_ACCRUED`` that of
  the period after it, so far.
- A liquidation comes when it is triggered (without a price) and when it is matched: the latter is recorded if it has a
  price. A positive amount is a long position, so the closing order sells. The time may have a fraction of milliseconds.
"""

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Message
from booktape.exchanges.wire import (
    MILLISECOND,
    OPPOSITE,
    decimal_millis_to_micros,
    optional_decimal_text,
    side_and_amount,
)
from booktape.model.records import DERIVATIVE_TICKER, LIQUIDATIONS, DerivativeTicker, Liquidation


class _Status(Struct, array_like=True, gc=False):
    """The status of a derivative. Fields whose name begins with ``_`` are undocumented or not used."""

    time: int
    _1: Raw
    last_price: Raw
    index_price: Raw
    _4: Raw
    _5: Raw
    _6: Raw
    funding_time: int | None
    next_funding: Raw
    _9: Raw
    _10: Raw
    funding: Raw
    _12: Raw
    _13: Raw
    mark_price: Raw
    _15: Raw
    _16: Raw
    open_interest: Raw


class _Liquidation(Struct, array_like=True, gc=False):
    kind: str
    id: int
    time: Raw
    _3: Raw
    symbol: str
    amount: Raw
    _6: Raw
    _7: Raw
    matched: int
    _9: Raw
    _10: Raw
    price: Raw


_status = json.Decoder(_Status)
_liquidations = json.Decoder(list[_Liquidation])


def ticker(content: bytes, symbol: str, received: int, sent: int | None) -> Message:
    """Parse the status of one derivative."""
    status = _status.decode(content)
    time = status.time * MILLISECOND
    record = DerivativeTicker(
        timestamp=time,
        funding_timestamp=status.funding_time * MILLISECOND if status.funding_time is not None else None,
        funding_rate=optional_decimal_text(status.funding),
        predicted_funding_rate=optional_decimal_text(status.next_funding),
        open_interest=optional_decimal_text(status.open_interest),
        last_price=optional_decimal_text(status.last_price),
        index_price=optional_decimal_text(status.index_price),
        mark_price=optional_decimal_text(status.mark_price),
        local_timestamp=received,
        sent_timestamp=sent,
    )
    return (DERIVATIVE_TICKER, symbol, time, record)


def closed(content: bytes, received: int, sent: int | None) -> list[Message]:
    """Parse liquidations. Only those that were matched become records."""
    messages: list[Message] = []
    for position in _liquidations.decode(content):
        price = optional_decimal_text(position.price)
        if not position.matched or price is None:
            continue
        time, (held, amount) = decimal_millis_to_micros(position.time), side_and_amount(position.amount)
        liquidation = Liquidation(
            id=position.id,
            timestamp=time,
            side=OPPOSITE[held],
            price=price,
            amount=amount,
            local_timestamp=received,
            sent_timestamp=sent,
        )
        messages.append((LIQUIDATIONS, position.symbol, time, liquidation))
    return messages
