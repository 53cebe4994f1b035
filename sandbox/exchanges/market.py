"""A seeded random market: an order book and its trades, in venue-neutral terms. Pure: no clock, no sockets, no text.

Every step is one thing that happens: somebody takes liquidity (trades, and the levels they ate) or somebody quotes
(levels placed, changed, cancelled). The book never crosses, trade ids are contiguous, and every changed level takes
one update id, so that the changes' id ranges are contiguous too.
"""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Literal

from sandbox.exchanges.book import BookSide, Level, OrderBook
from sandbox.exchanges.specs import MarketSpec

TakerSide = Literal["buy", "sell"]

TAKE_SHARE = 0.35
"""Share of the steps in which somebody trades; the rest are quotes."""
MEAN_DISTANCE = 12.0
"""How many ticks or levels behind the best one quotes fall, on average."""
TYPICAL_NOTIONAL = 1_500.0
"""Price * amount of a typical order, in the quote asset."""
KEPT_TRADES = 100_000


@dataclass(frozen=True, slots=True)
class Trade:
    """One match at one price. `timestamp` in µs; price and amount in ticks."""

    market: str
    id: int
    timestamp: int
    taker_side: TakerSide
    price: int
    amount: int


@dataclass(frozen=True, slots=True)
class BookChange:
    """Absolute levels that changed at one instant, and the update ids they took. Each price at most once a side."""

    market: str
    first_id: int
    last_id: int
    timestamp: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """The best bid or ask changed: the new best levels, as of update `id`."""

    market: str
    id: int
    timestamp: int
    bid: Level
    ask: Level


Event = Trade | BookChange | Quote


class Market:
    """The model of one market. The same spec and seed give the same events for the same calls."""

    def __init__(self, spec: MarketSpec, seed: int) -> None:
        self.spec = spec
        self.trading = True
        self.book = OrderBook()
        self.trades: deque[Trade] = deque(maxlen=KEPT_TRADES)
        self._random = Random(f"{seed}/{spec.name}")
        self.last_trade_id = self._random.randrange(1_000_000, 2_000_000_000)
        self.last_update_id = self._random.randrange(1_000_000_000, 60_000_000_000)
        self._open_book()
        self.open_price = self.book.bids.price_at(0)

    def step(self, timestamp: int) -> list[Event]:
        """Let one thing happen at `timestamp` (µs, not before the last one): its trades, book change and quote."""
        before = (self.book.bids.best(), self.book.asks.best())
        trades: list[Event] = []
        if self._random.random() < TAKE_SHARE:
            side, changes, trades = self._take(timestamp)
        else:
            side, changes = self._quote()
        events = trades
        if changes:
            events.append(self._apply(side, changes, timestamp))
        after = (self.book.bids.best(), self.book.asks.best())
        if after != before:
            events.append(Quote(self.spec.name, self.last_update_id, timestamp, *after))
        return events

    def skip(self, trades: int, updates: int) -> None:
        """Use up ids for nothing."""
        self.last_trade_id += trades
        self.last_update_id += updates

    def reset(self) -> None:
        """Begin all ids anew, from one; past trades are forgotten."""
        self.last_trade_id = self.last_update_id = 0
        self.trades.clear()

    def recent_trades(self, count: int) -> list[Trade]:
        """The last `count` trades, oldest first."""
        start = max(0, len(self.trades) - count)
        return [self.trades[index] for index in range(start, len(self.trades))]

    def trades_from(self, first_id: int, count: int) -> list[Trade]:
        """Up to `count` kept trades with an id of at least `first_id`, oldest first."""
        start = bisect_left(self.trades, first_id, key=lambda trade: trade.id)
        return [self.trades[index] for index in range(start, min(start + count, len(self.trades)))]

    @property
    def last_price(self) -> int:
        """The price of the last trade, or the opening price before there was one (ticks)."""
        return self.trades[-1].price if self.trades else self.open_price

    def _open_book(self) -> None:
        for side, direction in ((self.book.bids, -1), (self.book.asks, 1)):
            price = self.spec.price + max(direction, 0)
            while len(side) < self.spec.levels and price > 0:
                side.set(price, self._order_amount())
                price += direction * self._distance(MEAN_DISTANCE / 4)

    def _distance(self, mean: float) -> int:
        return 1 + int(self._random.expovariate(1 / mean))

    def _order_amount(self) -> int:
        price = self.spec.price / 10**self.spec.price_decimals
        typical = TYPICAL_NOTIONAL / price * 10**self.spec.amount_decimals
        return max(1, int(typical * self._random.lognormvariate(0.0, 1.2)))

    def _take(self, timestamp: int) -> tuple[BookSide, list[Level], list[Event]]:
        """A taker order eats the best levels of one side, leaving at least half of the side's levels alone."""
        taker_side: TakerSide = "buy" if self._random.random() < 0.5 else "sell"
        side = self.book.asks if taker_side == "buy" else self.book.bids
        wanted = self._order_amount()
        changes: list[Level] = []
        trades: list[Event] = []
        for price, available in side.levels(min(3, len(side) - self.spec.levels // 2)):
            amount = min(wanted, available)
            trades.append(self._trade(timestamp, taker_side, price, amount))
            changes.append((price, available - amount))
            wanted -= amount
            if not wanted:
                break
        return side, changes, trades

    def _trade(self, timestamp: int, taker_side: TakerSide, price: int, amount: int) -> Trade:
        self.last_trade_id += 1
        trade = Trade(self.spec.name, self.last_trade_id, timestamp, taker_side, price, amount)
        self.trades.append(trade)
        return trade

    def _quote(self) -> tuple[BookSide, list[Level]]:
        """One to four levels of one side are placed, changed or cancelled."""
        bids, asks = self.book.bids, self.book.asks
        side = bids if self._random.random() < 0.5 else asks
        changes: dict[int, int] = {}
        for _ in range(self._random.randint(1, 4)):
            if self._random.random() < 0.5 * len(side) / self.spec.levels and len(side) > self.spec.levels // 2 + 4:
                changes[side.price_at(min(self._distance(MEAN_DISTANCE), len(side)) - 1)] = 0
            else:
                changes[self._limit_price(side)] = self._order_amount()
        return side, list(changes.items())

    def _limit_price(self, side: BookSide) -> int:
        """A price on the near side of the opposite best, so that the book cannot cross."""
        distance = self._distance(MEAN_DISTANCE)
        if side is self.book.bids:
            return max(1, self.book.asks.price_at(0) - distance)
        return self.book.bids.price_at(0) + distance

    def _apply(self, side: BookSide, changes: list[Level], timestamp: int) -> BookChange:
        for price, amount in changes:
            side.set(price, amount)
        first_id = self.last_update_id + 1
        self.last_update_id += len(changes)
        bids, asks = (tuple(changes), ()) if side is self.book.bids else ((), tuple(changes))
        return BookChange(self.spec.name, first_id, self.last_update_id, timestamp, bids, asks)
