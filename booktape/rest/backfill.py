"""Fetches a day's missing trades over REST, and stores them as objects of their own.

Markets take turns, with one response each, starting with those that lack least. If a quota is too small for all, small
ranges are filled, and large ones get equal shares. A range is requested until it is filled or a response brings nothing
new. Fetched trades are stored like recorded ones: batches of consecutive ids, at most a minute each, whose keys say
what they hold. So the next backfill finds them, and requests only what is still missing.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Final

import httpx

from booktape.capture.batcher import Batcher
from booktape.exchanges import exchange as exchange_of
from booktape.exchanges.spec import Exchange
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.codec import CorruptObjectError
from booktape.model.gap import Gap
from booktape.model.records import MINUTE, TRADES, Record, Trade, record_time, sequence_id
from booktape.model.resets import CERTAINLY_LATER
from booktape.model.sequence import CONTIGUOUS, SEQUENCED, rule
from booktape.rest.backfill_results import BackfilledMarket, BackfillResult
from booktape.rest.missing_ranges import GapNeighbors, IdRun, find_missing
from booktape.rest.quota import DEFAULT_MAX_SECONDS, DEFAULT_MAX_TRADES, BackfillStoppedError, Quota, QuotaAccount
from booktape.rest.rate_limits import RateLimiter
from booktape.rest.trade_history import TradeHistory, TradesNotGivenError
from booktape.store.layout import batch_key
from booktape.store.objects import ObjectNotFoundError, Store

BACKFILL_SYSTEM: Final = "rest"
"""The name of the system whose records are the fetched trades."""

_FORGOTTEN: Final = "the venue does not have them any more"
_MAX_REFUSALS: Final = 5
"""A venue that refuses so many markets in a row is taken to refuse all."""


def match_trades(missing: Gap, trades: Iterable[Trade]) -> tuple[list[Trade], list[Gap]]:
    """The trades of a response that fill a missing range, by id, and the ranges to request next.

    These are the ranges that the response leaves open. A response that only brings the times around a range closer
    together is progress too, because venues that are queried by time respond in pages. After a response without any
    progress there is nothing to request next.

    A trade whose time is far from the range is a different one with the same id: the venue has reset its ids.
    """
    earliest, latest = missing.after - CERTAINLY_LATER, missing.before + CERTAINLY_LATER
    known = {
        number: trade
        for trade in trades
        if (number := sequence_id(trade)) is not None and earliest <= trade.timestamp <= latest
    }
    left = remaining_ranges(missing, {number: trade.timestamp for number, trade in known.items()})
    found = [known[number] for number in sorted(known) if missing.first <= number <= missing.last]
    return found, left if left != [missing] else []


def remaining_ranges(missing: Gap, times: Mapping[int, int]) -> list[Gap]:
    """What is left of a missing range once the times (µs) of some ids, in it or around it, are known."""
    after = [times[number] for number in times if number < missing.first]
    before = [times[number] for number in times if number > missing.last]
    edges = [
        (missing.first - 1, max(missing.after, *after) if after else missing.after),
        *((number, times[number]) for number in sorted(times) if missing.first <= number <= missing.last),
        (missing.last + 1, min(missing.before, *before) if before else missing.before),
    ]
    return [
        missing._replace(first=left + 1, last=right - 1, after=since, before=until)
        for (left, since), (right, until) in pairwise(edges)
        if right - left > 1
    ]


def store_trades(exchange: Exchange, market: str, trades: Iterable[Trade], store: Store) -> None:
    """Store trades, which come in the order of their ids, in the same form as collectors do."""

    def put(batch: Batch) -> None:
        store.create(str(batch_key(batch, exchange.id)), codec.compress(batch.lines))

    check = rule(exchange.channel(TRADES).rule, TRADES)
    stream = Batcher(TRADES, market, put, lambda gap: None, check, spans_connections=True)
    for trade in trades:
        stream.append(trade, trade.timestamp)
    stream.close()


@dataclass(frozen=True)
class Backfiller:
    """Fetches the missing trades of any exchange.

    :param systems: the stores of the systems that recorded, by name.
    :param target: where fetched trades are stored.
    :param rate_limiter: an exchange's rate limit.
    :param client: makes an HTTP client for one night.
    :param base: the REST URL of an exchange; None for the one that the exchange declares.
    :param max_trades: how many trades a night may request from each exchange.
    :param max_seconds: for how long a night may send requests to each exchange.
    :param quotas: where the calls of one night share their quota; None if each call has a quota of its own.
    """

    systems: Mapping[str, Store]
    target: Store
    rate_limiter: Callable[[Exchange], RateLimiter]
    client: Callable[[], httpx.Client]
    base: Callable[[Exchange], str | None] = lambda exchange: None
    max_trades: int = DEFAULT_MAX_TRADES
    max_seconds: float = DEFAULT_MAX_SECONDS
    sleep: Callable[[float], None] = time.sleep
    quotas: Store | None = None

    def __call__(self, exchange: str, day: date, night: str | None = None) -> BackfillResult:
        """Fetch a day's trades that no system has, as far as the venue serves them.

        Only the stores' errors are raised. Why the venue did not serve some trades is part of the result.

        :param night: calls for the same night share a quota; None gives this call a quota of its own.
        """
        venue = exchange_of(exchange)
        past = venue.rest.trades
        if past is None or venue.channel(TRADES).rule not in (CONTIGUOUS, SEQUENCED):
            return BackfillResult({}, f"{exchange} serves no past trades by id")
        systems = {**self.systems, BACKFILL_SYSTEM: self.target}
        markets = [
            _market_backfill(venue, market, found) for market, found in find_missing(systems, exchange, day) if found
        ]
        account = QuotaAccount(self.quotas, exchange, day, night) if self.quotas is not None and night else None
        quota = Quota(self.max_trades, self.max_seconds, self.sleep, account=account)
        with self.client() as client:
            history = TradeHistory(venue, past, self.rate_limiter(venue), client, quota, self.base(venue))
            stopped = _fill(
                markets, history, lambda market, trades: store_trades(venue, market, trades, self.target), systems
            )
        return BackfillResult({market.market: market.result(stopped) for market in markets}, stopped)


@dataclass
class _MarketBackfill:
    """One market's missing ranges, and how many of their trades were fetched.

    :param symbol: the venue's symbol; None if the market's name is invalid.
    :param ahead: the ranges that were not requested yet.
    :param left: what is left of the range that is being requested.
    :param why: why nothing more is requested.
    """

    market: str
    symbol: str | None
    found: Sequence[GapNeighbors]
    ahead: Iterator[GapNeighbors]
    left: list[Gap] = field(default_factory=list)
    fetched: int = 0
    why: str | None = None

    @property
    def missing(self) -> int:
        return sum(neighbors.gap.size for neighbors in self.found)

    def next_range(self, systems: Mapping[str, Store]) -> Gap | None:
        """The range to request now; None if there is none."""
        if self.symbol is None or self.why is not None:
            return None
        if not self.left and (neighbors := next(self.ahead, None)) is not None:
            after, before = _edge_time(systems, neighbors.left, -1), _edge_time(systems, neighbors.right, 0)
            self.left = [neighbors.gap._replace(market=self.market, after=after, before=before)]
        return self.left.pop() if self.left else None

    def result(self, stopped: str | None) -> BackfilledMarket:
        why = None if self.fetched == self.missing else self.why or stopped or _FORGOTTEN
        return BackfilledMarket(len(self.found), self.missing, self.fetched, why)


def _market_backfill(venue: Exchange, market: str, found: Sequence[GapNeighbors]) -> _MarketBackfill:
    """A folder in the storage may have an invalid name; it is reported, and does not stop the other markets."""
    try:
        return _MarketBackfill(market, venue.symbol(market), found, iter(found))
    except (ValueError, LookupError) as error:
        return _MarketBackfill(market, None, found, iter(()), why=f"{market!r} is not a market of {venue.id}: {error}")


def _fill(
    markets: Iterable[_MarketBackfill],
    history: TradeHistory,
    store: Callable[[str, Sequence[Trade]], None],
    systems: Mapping[str, Store],
) -> str | None:
    """Request the markets' missing ranges in turns. Returns what stopped this early; None if nothing did."""
    waiting = deque(sorted(markets, key=lambda market: (market.missing, market.market)))
    refusals = 0
    while waiting:
        market = waiting.popleft()
        missing = market.next_range(systems)
        if missing is None or market.symbol is None:
            continue
        try:
            found, left = match_trades(missing, history.fetch(market.symbol, missing))
        except BackfillStoppedError as error:
            return str(error)
        except TradesNotGivenError as error:
            market.why, refusals = str(error), refusals + 1
            if refusals == _MAX_REFUSALS:
                return str(error)
            continue
        refusals = 0
        store(market.market, found)
        market.left += left
        market.fetched += len(found)
        waiting.append(market)
    return None


def _edge_time(systems: Mapping[str, Store], run: IdRun, index: int) -> int:
    """The time of an object's first or last record; if it cannot be read, that of its minute's start or end."""
    try:
        records: list[Record] = codec.decode_records(TRADES, systems[run.system].read(run.key))
        return record_time(records[index])
    except (CorruptObjectError, ObjectNotFoundError, IndexError):
        return run.minute + (MINUTE if index == 0 else 0)
