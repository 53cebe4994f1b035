"""Records to what Binance spot sent: the payloads of its streams, and its REST book. Pure.

Source: "Binance Spot API Docs": Web Socket Streams (trade, individual symbol book ticker, diff. and partial depth) and
General REST endpoints (``GET /api/v3/depth``). The fields and their order are those of frames recorded in August 2024.
Parsing a payload by :mod:`booktape.exchanges.binance.spot_frames` gives the record again.

``unit`` is how many µs the client's unit of time has: :data:`MILLISECONDS`, or :data:`MICROSECONDS` where it asked for
``timeUnit=MICROSECOND``. A trade's ``E`` is its ``T``: when the venue sent it is not kept.

What slow depth streams tell: a second's updates at once.
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


def best_quote(symbol: str, record: Quote) -> str:
    """The payload of ``<symbol>@bookTicker``, which carries no time."""
    return (
        f'{{"u":{record.id},"s":"{symbol}","b":"{record.bid_price}","B":"{record.bid_amount}",'
        f'"a":"{record.ask_price}","A":"{record.ask_amount}"}}'
    )


def depth_payload(symbol: str, record: BookUpdate, unit: int = MILLISECONDS) -> str:
    """The payload of ``<symbol>@depth`` and ``<symbol>@depth@100ms``."""
    bids, asks = bytes(record.bids).decode(), bytes(record.asks).decode()
    return (
        f'{{"e":"depthUpdate","E":{sent(record) // unit},"s":"{symbol}","U":{record.first_id},"u":{record.last_id},'
        f'"b":{bids},"a":{asks}}}'
    )


def book_payload(last_id: int | None, bids: Sequence[Level], asks: Sequence[Level]) -> str:
    """A book's best levels, as ``GET /api/v3/depth`` answers and ``<symbol>@depth<levels>`` sends them."""
    return f'{{"lastUpdateId":{last_id or 0},"bids":{_side(bids)},"asks":{_side(asks)}}}'


def exchange_info(time: int, instruments: Iterable[Instrument]) -> bytes:
    """The answer of ``GET /api/v3/exchangeInfo``, of what is recorded of each instrument. ``time`` in ms."""
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


def combined(stream: str, payload: str) -> str:
    """A payload as ``/stream`` sends it; ``/ws`` sends it bare."""
    return f'{{"stream":"{stream}","data":{payload}}}'


def sent(record: BookUpdate) -> int:
    """When the venue sent a depth update (µs)."""
    return record.sent_timestamp or record.timestamp or record.local_timestamp


def united(updates: Sequence[BookUpdate]) -> BookUpdate:
    """Depth updates that follow each other as the one that says the same: of each level, the last amount.

    Levels that went are told once more, as the venue does. ``updates`` must not be empty.
    """
    last = updates[-1]
    if len(updates) == 1:
        return last
    return BookUpdate(
        first_id=updates[0].first_id,
        last_id=last.last_id,
        timestamp=last.timestamp,
        bids=_united(update.bids for update in updates),
        asks=_united(update.asks for update in updates),
        local_timestamp=last.local_timestamp,
        sent_timestamp=last.sent_timestamp,
    )


def _united(sides: Iterable[Raw]) -> Raw:
    found = {exact(price): (price, amount) for side in sides for price, amount in levels(side)}
    return Raw(json.encode(list(found.values())))


def _side(side: Sequence[Level]) -> str:
    return "[" + ",".join(f'["{price}","{amount}"]' for price, amount in side) + "]"


class DepthWindow:
    """The depth updates of the second that goes on, which the slow streams tell at once."""

    def __init__(self) -> None:
        self.updates: list[BookUpdate] = []

    def past(self, time: int) -> BookUpdate | None:
        """What the last second held, if it is over at ``time`` (µs)."""
        if not self.updates or sent(self.updates[0]) // SECOND == time // SECOND:
            return None
        return self.cut()

    def goes_on_with(self, update: BookUpdate) -> bool:
        """Whether nothing is missing before an update: across a loss, one message would hide it."""
        if not self.updates:
            return True
        last = self.updates[-1].last_id or 0
        return (update.first_id or 0) <= last + 1 and (update.last_id or 0) > last

    def cut(self) -> BookUpdate | None:
        """What it holds, as one update."""
        updates, self.updates = self.updates, []
        return united(updates) if updates else None
