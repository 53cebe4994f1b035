"""Parser of BitMEX frames. The facts stand in :mod:`booktape.exchanges.bitmex`."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Message, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import ABSENT, SIDES, decimal_text, encode_levels, iso_to_micros, optional_decimal_text
from booktape.model.book import exact
from booktape.model.records import (
    BOOK_SNAPSHOTS,
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    LIQUIDATIONS,
    QUOTES,
    TRADES,
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Liquidation,
    Quote,
    Trade,
)


class _Frame(Struct):
    table: str = ""
    action: str = ""
    data: Raw = ABSENT
    filter: dict[str, str] = {}
    info: str = ""
    success: bool = False
    error: str = ""


class _Level(Struct, gc=False):
    symbol: str
    id: int
    side: str
    size: Raw = ABSENT
    price: Raw = ABSENT
    timestamp: str = ""


class _Trade(Struct, gc=False):
    timestamp: str
    symbol: str
    size: Raw
    price: Raw
    trdMatchID: str
    side: str = ""


class _Quote(Struct, gc=False):
    timestamp: str
    symbol: str
    bidPrice: Raw = ABSENT
    bidSize: Raw = ABSENT
    askPrice: Raw = ABSENT
    askSize: Raw = ABSENT


class _Instrument(Struct, gc=False):
    symbol: str
    timestamp: str = ""
    fundingTimestamp: str | None = None
    fundingRate: Raw = ABSENT
    indicativeFundingRate: Raw = ABSENT
    openInterest: Raw = ABSENT
    lastPrice: Raw = ABSENT
    indicativeSettlePrice: Raw = ABSENT
    markPrice: Raw = ABSENT


class _Liquidation(Struct, gc=False):
    orderID: str
    symbol: str
    side: str
    price: Raw
    leavesQty: Raw


_frame = json.Decoder(_Frame)
_levels = json.Decoder(list[_Level])
_trades = json.Decoder(list[_Trade])
_quotes = json.Decoder(list[_Quote])
_instruments = json.Decoder(list[_Instrument])
_liquidations = json.Decoder(list[_Liquidation])


class Parser:
    """Parser of one connection. It remembers the price of each book level, by side and id."""

    def __init__(self) -> None:
        self._books: dict[str, dict[tuple[str, int], str]] = {}

    def __call__(self, frame: bytes, received: int) -> Sequence[Message]:
        """Parse one frame into records."""
        if frame == b"pong":
            return ()
        content = _frame.decode(frame)
        table, action, data = content.table, content.action, content.data
        if table == "orderBookL2":
            if action == "partial":
                return (self._partial(content.filter.get("symbol", ""), _levels.decode(data), received),)
            return list(self._changes(action, _levels.decode(data), received))
        if table == "quote":
            return list(_quote_messages(data, received)) if action == "insert" else ()
        if table == "trade":
            return list(_trade_messages(data, received)) if action == "insert" else ()
        if table == "instrument":
            return list(_ticker_messages(data, received))
        if table == "liquidation":
            return list(_liquidation_messages(data, received)) if action == "insert" else ()
        return _control(content)

    def _partial(self, name: str, rows: list[_Level], received: int) -> Message:
        if not name:
            raise UnknownFrameError("partial of no symbol")
        self._books[name] = prices = {(row.side, row.id): decimal_text(row.price) for row in rows}
        rising = sorted(rows, key=lambda row: exact(prices[row.side, row.id]))
        bids, asks = (
            encode_levels((prices[side, row.id], decimal_text(row.size)) for row in best_first if row.side == side)
            for side, best_first in (("Buy", rising[::-1]), ("Sell", rising))
        )
        made = max((row.timestamp for row in rows), default="")
        sent = iso_to_micros(made) if made else None
        snapshot = BookSnapshot(bids=bids, asks=asks, origin="stream", local_timestamp=received, sent_timestamp=sent)
        return (BOOK_SNAPSHOTS, name, sent or 0, snapshot)

    def _changes(self, action: str, rows: list[_Level], received: int) -> Iterator[Message]:
        for name, changed in groupby(rows, key=lambda row: row.symbol):
            prices = self._books.get(name)
            if prices is None:  # its partial has not come yet
                continue
            time: int | None = None
            sides: dict[str, list[tuple[str, str]]] = {"Buy": [], "Sell": []}
            for row in changed:
                time = iso_to_micros(row.timestamp) if row.timestamp else None
                sides[row.side].append(_change(prices, action, row))
            bids, asks = encode_levels(sides["Buy"]), encode_levels(sides["Sell"])
            update = BookUpdate(timestamp=time, bids=bids, asks=asks, local_timestamp=received)
            yield (BOOK_UPDATES, name, time or 0, update)


def _change(prices: dict[tuple[str, int], str], action: str, row: _Level) -> tuple[str, str]:
    """Price and new amount of a changed level. ``prices`` is updated."""
    key = row.side, row.id
    if action == "insert":
        prices[key] = price = decimal_text(row.price)
        return price, decimal_text(row.size)
    known = prices.get(key)
    if known is None:
        raise UnknownFrameError(f"orderBookL2 {action} of a level that is not there")
    if action == "update":
        return optional_decimal_text(row.price) or known, decimal_text(row.size)
    if action == "delete":
        del prices[key]
        return optional_decimal_text(row.price) or known, "0"
    raise UnknownFrameError(f"orderBookL2 {action}")


def _trade_messages(data: Raw, received: int) -> Iterator[Message]:
    for trade in _trades.decode(data):
        time, side = iso_to_micros(trade.timestamp), SIDES.get(trade.side, "unknown")
        record = Trade(trade.trdMatchID, time, side, decimal_text(trade.price), decimal_text(trade.size), received)
        yield (TRADES, trade.symbol, time, record)


def _quote_messages(data: Raw, received: int) -> Iterator[Message]:
    for quote in _quotes.decode(data):
        time, bid, ask = (
            iso_to_micros(quote.timestamp),
            optional_decimal_text(quote.bidPrice),
            optional_decimal_text(quote.askPrice),
        )
        if bid is not None and ask is not None:
            record = Quote(None, time, bid, decimal_text(quote.bidSize), ask, decimal_text(quote.askSize), received)
            yield (QUOTES, quote.symbol, time, record)


def _ticker_messages(data: Raw, received: int) -> Iterator[Message]:
    for row in _instruments.decode(data):
        time = iso_to_micros(row.timestamp) if row.timestamp else None
        ticker = DerivativeTicker(
            timestamp=time,
            funding_timestamp=iso_to_micros(row.fundingTimestamp) if row.fundingTimestamp else None,
            funding_rate=optional_decimal_text(row.fundingRate),
            predicted_funding_rate=optional_decimal_text(row.indicativeFundingRate),
            open_interest=optional_decimal_text(row.openInterest),
            last_price=optional_decimal_text(row.lastPrice),
            index_price=optional_decimal_text(row.indicativeSettlePrice),
            mark_price=optional_decimal_text(row.markPrice),
            local_timestamp=received,
        )
        if ticker != DerivativeTicker(timestamp=time, local_timestamp=received):
            yield (DERIVATIVE_TICKER, row.symbol, time or 0, ticker)


def _liquidation_messages(data: Raw, received: int) -> Iterator[Message]:
    for row in _liquidations.decode(data):
        liquidation = Liquidation(
            id=row.orderID,
            side=SIDES.get(row.side, "unknown"),
            price=decimal_text(row.price),
            amount=decimal_text(row.leavesQty),
            local_timestamp=received,
        )
        yield (LIQUIDATIONS, row.symbol, 0, liquidation)


def _control(frame: _Frame) -> Sequence[Message]:
    if frame.error:
        raise SubscriptionRefusedError(frame.error)
    if frame.info or frame.success:
        return ()
    raise UnknownFrameError(frame.table or "frame without table")
