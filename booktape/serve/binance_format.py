"""Encodes records as Binance spot does: the payloads of its streams, and its REST answers. Pure.

Source: "Binance Spot API Docs": Web Socket Streams (trade, individual symbol book ticker, diff. and partial depth) and
General REST endpoints (``GET /api/v3/depth``). The fields and their order are those of frames recorded in August 2024.
:mod:`booktape.exchanges.binance.spot_frames` parses a payload to the record that it was made of.

``unit`` is the number of µs in the client's unit of time: :data:`MILLISECONDS`, or :data:`MICROSECONDS` for a client
that connected with ``timeUnit=MICROSECOND``. The ``E`` of a trade is its ``T``: the time of sending is not recorded.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Raw, json

from booktape.model.book import exact
from booktape.model.records import SECOND, BookUpdate, Instrument, Level, Quote, Trade, levels

MILLISECONDS: Final = 1_000
MICROSECONDS: Final = 1


def trade_payload(symbol: str, record: Trade, unit: int = MILLISECONDS) -> str:
    """The payload of ``<symbol>@trade``."""
    time = record.timestamp // unit
    buyer_is_maker = "true" if record.side == "sell" else "false"
    return (
        f'{{"e":"trade","E":{time},"s":"{symbol}","t":{record.id},"p":"{record.price}","q":"{record.amount}",'
        f'"T":{time},"m":{buyer_is_maker},"M":true}}'
    )


def quote_payload(symbol: str, record: Quote) -> str:
    """The payload of ``<symbol>@bookTicker``, which carries no time."""
    return (
        f'{{"u":{record.id},"s":"{symbol}","b":"{record.bid_price}","B":"{record.bid_amount}",'
        f'"a":"{record.ask_price}","A":"{record.ask_amount}"}}'
    )


def depth_payload(symbol: str, record: BookUpdate, unit: int = MILLISECONDS) -> str:
    """The payload of ``<symbol>@depth`` and ``<symbol>@depth@100ms``."""
    time = sent_time(record) // unit
    bids, asks = bytes(record.bids).decode(), bytes(record.asks).decode()
    return (
        f'{{"e":"depthUpdate","E":{time},"s":"{symbol}","U":{record.first_id},"u":{record.last_id},'
        f'"b":{bids},"a":{asks}}}'
    )


def book_payload(last_id: int | None, bids: Sequence[Level], asks: Sequence[Level]) -> str:
    """The best levels of a book: the answer of ``GET /api/v3/depth`` and the payload of ``<symbol>@depth<levels>``."""
    return f'{{"lastUpdateId":{last_id or 0},"bids":{_side(bids)},"asks":{_side(asks)}}}'


def exchange_info_payload(time: int, instruments: Iterable[Instrument]) -> bytes:
    """The answer of ``GET /api/v3/exchangeInfo``, as far as the fields are recorded. ``time`` in ms."""
    answer = {
        "timezone": "UTC",
        "serverTime": time,
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [_symbol(one) for one in instruments],
    }
    return json.encode(answer)


def _symbol(instrument: Instrument) -> dict[str, Any]:
    filters: list[dict[str, str]] = []
    if instrument.price_increment is not None:
        filters.append({"filterType": "PRICE_FILTER", "tickSize": instrument.price_increment})
    if instrument.amount_increment is not None:
        filters.append({"filterType": "LOT_SIZE", "stepSize": instrument.amount_increment})
    return {
        "symbol": instrument.symbol,
        "status": instrument.status.upper(),
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "isSpotTradingAllowed": instrument.kind == "spot",
        "filters": filters,
    }


def wrap_payload(stream: str, payload: str) -> str:
    """A payload with the name of its stream, as ``/stream`` sends it; ``/ws`` sends the payload alone."""
    return f'{{"stream":"{stream}","data":{payload}}}'


def sent_time(record: BookUpdate) -> int:
    """When the exchange sent a depth update (µs)."""
    return record.sent_timestamp or record.timestamp or record.local_timestamp


def combine_updates(updates: Sequence[BookUpdate]) -> BookUpdate:
    """Combine consecutive depth updates into one with the last amount of each level.

    Removed levels stay in it with the amount 0, as the exchange sends them. ``updates`` must not be empty.
    """
    last = updates[-1]
    if len(updates) == 1:
        return last
    return BookUpdate(
        first_id=updates[0].first_id,
        last_id=last.last_id,
        timestamp=last.timestamp,
        bids=_combine_sides(update.bids for update in updates),
        asks=_combine_sides(update.asks for update in updates),
        local_timestamp=last.local_timestamp,
        sent_timestamp=last.sent_timestamp,
    )


def _combine_sides(sides: Iterable[Raw]) -> Raw:
    last = {exact(price): (price, amount) for side in sides for price, amount in levels(side)}
    return Raw(json.encode(list(last.values())))


def _side(side: Sequence[Level]) -> str:
    return "[" + ",".join(f'["{price}","{amount}"]' for price, amount in side) + "]"


class DepthWindow:
    """The depth updates of the current second, which the slow streams (``@depth``) send as one."""

    def __init__(self) -> None:
        self.updates: list[BookUpdate] = []

    def take_before(self, time: int) -> BookUpdate | None:
        """Take out the updates of an earlier second than that of ``time`` (µs), as one; None where there are none."""
        if not self.updates or sent_time(self.updates[0]) // SECOND == time // SECOND:
            return None
        return self.take()

    def is_continued_by(self, update: BookUpdate) -> bool:
        """Whether no update is missing before this one. One message across a gap would hide the gap."""
        if not self.updates:
            return True
        last = self.updates[-1].last_id or 0
        return (update.first_id or 0) <= last + 1 and (update.last_id or 0) > last

    def take(self) -> BookUpdate | None:
        """Take out all updates, as one; None where there are none."""
        updates, self.updates = self.updates, []
        return combine_updates(updates) if updates else None
