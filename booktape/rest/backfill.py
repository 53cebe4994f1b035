"""Fetching a day's missing trades over REST, and keeping them as objects of their own.

Markets are asked for in turn, one answer each, those that lack least first: where a night is too short for all, the
small holes are whole, and the large ones have got equal parts. A hole is asked for until it is filled or an answer
brings nothing new. What is fetched goes the way of every record: contiguous runs, minute batches, keys that say what is
inside. So what is healed is covered from then on, and healing again asks only for the rest.
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
from booktape.exchanges.spec import Exchange, MissingRange
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.codec import CorruptObjectError
from booktape.model.records import MINUTE, TRADES, Record, Trade, record_time, sequence_id
from booktape.model.resets import CERTAINLY_LATER
from booktape.model.sequence import CONTIGUOUS, SEQUENCED, rule
from booktape.rest import missing_ranges
from booktape.rest.backfill_results import BackfilledMarket, BackfillResult
from booktape.rest.client import RateLimiter
from booktape.rest.missing_ranges import IdRun, MissingIds
from booktape.rest.quota import QuotaAccount
from booktape.rest.trade_history import BackfillStoppedError, Quota, TradeHistory, TradesNotGivenError
from booktape.store.layout import batch_key
from booktape.store.objects import ObjectNotFoundError, Store

REST: Final = "rest"
"""The system that healed trades are stored under."""

MOST_TRADES: Final = 100_000
SECONDS: Final = 900.0

_FORGOTTEN: Final = "the venue does not have them any more"
_MOST_REFUSALS: Final = 5
"""A venue that refuses so many markets in a row refuses all of them."""


def answered(hole: MissingRange, trades: Iterable[Trade]) -> tuple[list[Trade], list[MissingRange]]:
    """What an answer brings of a hole, by number, and what is to be asked for then.

    That is what the answer leaves of the hole. An answer that only brings the times around a hole nearer is something
    new too: venues that are asked by time answer in pages. One that brings nothing new leaves nothing to be asked for.
    A number that was made at another time is another trade's: the venue has begun its numbers anew.
    """
    earliest, latest = hole.after - CERTAINLY_LATER, hole.before + CERTAINLY_LATER
    told = {
        number: trade
        for trade in trades
        if (number := sequence_id(trade)) is not None and earliest <= trade.timestamp <= latest
    }
    left = narrowed(hole, {number: trade.timestamp for number, trade in told.items()})
    found = [told[number] for number in sorted(told) if hole.first <= number <= hole.last]
    return found, left if left != [hole] else []


def narrowed(hole: MissingRange, times: Mapping[int, int]) -> list[MissingRange]:
    """What is left of a hole once some numbers are known, in it or around it, and their times (µs)."""
    after = [times[number] for number in times if number < hole.first]
    before = [times[number] for number in times if number > hole.last]
    edges = [
        (hole.first - 1, max(hole.after, *after) if after else hole.after),
        *((number, times[number]) for number in sorted(times) if hole.first <= number <= hole.last),
        (hole.last + 1, min(hole.before, *before) if before else hole.before),
    ]
    return [
        MissingRange(hole.symbol, left + 1, right - 1, since, until)
        for (left, since), (right, until) in pairwise(edges)
        if right - left > 1
    ]


def store_trades(exchange: Exchange, market: str, trades: Iterable[Trade], store: Store) -> None:
    """Store trades, which come in the order of their numbers, as collectors do."""

    def put(batch: Batch) -> None:
        store.create(str(batch_key(batch, exchange.id)), codec.compress(batch.lines))

    check = rule(exchange.channel(TRADES).rule, TRADES)
    stream = Batcher(TRADES, market, put, lambda gap: None, check, spans_connections=True)
    for trade in trades:
        stream.append(trade, trade.timestamp)
    stream.close()


@dataclass(frozen=True)
class Backfiller:
    """Heals any exchange's trades.

    :param systems: the stores of the systems that recorded, by name.
    :param rest: where healed trades are kept.
    :param purse: an exchange's budget.
    :param client: makes an HTTP client for one night.
    :param base: an exchange's REST URL where it is not the one that it declares.
    :param most_trades: how many trades may be asked for in a night, and in how many ``seconds``, of one exchange.
    :param accounts: where it is kept what a night has asked for; None if each call is a night by itself.
    """

    systems: Mapping[str, Store]
    rest: Store
    purse: Callable[[Exchange], RateLimiter]
    client: Callable[[], httpx.Client]
    base: Callable[[Exchange], str | None] = lambda exchange: None
    most_trades: int = MOST_TRADES
    seconds: float = SECONDS
    sleep: Callable[[float], None] = time.sleep
    accounts: Store | None = None

    def __call__(self, exchange: str, day: date, night: str | None = None) -> BackfillResult:
        """Fetch what nobody has of a day, as far as the venue gives it.

        Only the stores' errors are raised; why the venue did not give something is told in the result.

        :param night: calls for the same night share what may be asked of an exchange; None: this is a night by itself.
        """
        venue = exchange_of(exchange)
        past = venue.rest.trades
        if past is None or venue.channel(TRADES).rule not in (CONTIGUOUS, SEQUENCED):
            return BackfillResult({}, f"{exchange} gives no past trades by number")
        systems = {**self.systems, REST: self.rest}
        wards = [
            _market_backfill(venue, market, found)
            for market, found in missing_ranges.find_missing(systems, exchange, day)
            if found
        ]
        shared = QuotaAccount(self.accounts, exchange, day, night) if self.accounts is not None and night else None
        allowance = Quota(self.most_trades, self.seconds, self.sleep, account=shared)
        with self.client() as client:
            asking = TradeHistory(venue, past, self.purse(venue), client, allowance, self.base(venue))
            stopped = _heal(
                wards, asking, lambda ward, trades: store_trades(venue, ward.market, trades, self.rest), systems
            )
        return BackfillResult({ward.market: ward.result(stopped) for ward in wards}, stopped)


@dataclass
class _MarketBackfill:
    """One market: its holes, what is to be asked for of the current one, and how much was healed.

    ``symbol`` is None where the market's name is none; ``why``: nothing more is asked for, before all is healed.
    """

    market: str
    symbol: str | None
    found: Sequence[MissingIds]
    ahead: Iterator[MissingIds]
    left: list[MissingRange] = field(default_factory=list)
    healed: int = 0
    why: str | None = None

    @property
    def missing(self) -> int:
        return sum(hole.size for hole in self.found)

    def next_hole(self, systems: Mapping[str, Store]) -> MissingRange | None:
        """What is to be asked for now; None where nothing is."""
        if self.symbol is None or self.why is not None:
            return None
        if not self.left and (missing := next(self.ahead, None)) is not None:
            after, before = _time(systems, missing.left, -1), _time(systems, missing.right, 0)
            self.left = [MissingRange(self.symbol, missing.first, missing.last, after, before)]
        return self.left.pop() if self.left else None

    def result(self, stopped: str | None) -> BackfilledMarket:
        why = None if self.healed == self.missing else self.why or stopped or _FORGOTTEN
        return BackfilledMarket(len(self.found), self.missing, self.healed, why)


def _market_backfill(venue: Exchange, market: str, found: Sequence[MissingIds]) -> _MarketBackfill:
    """A folder may have a name that is no market: it is named, and stops no other."""
    try:
        return _MarketBackfill(market, venue.symbol(market), found, iter(found))
    except (ValueError, LookupError) as error:
        return _MarketBackfill(market, None, found, iter(()), why=f"{market!r} is no market of {venue.id}: {error}")


def _heal(
    wards: Iterable[_MarketBackfill],
    asking: TradeHistory,
    keep_found: Callable[[_MarketBackfill, Sequence[Trade]], None],
    systems: Mapping[str, Store],
) -> str | None:
    """Ask for the markets' holes in turn. Why no more is asked for, though something is left; else None."""
    waiting = deque(sorted(wards, key=lambda ward: (ward.missing, ward.market)))
    refusals = 0
    while waiting:
        ward = waiting.popleft()
        hole = ward.next_hole(systems)
        if hole is None:
            continue
        try:
            found, left = answered(hole, asking.ask(hole))
        except BackfillStoppedError as error:
            return str(error)
        except TradesNotGivenError as error:
            ward.why, refusals = str(error), refusals + 1
            if refusals == _MOST_REFUSALS:
                return str(error)
            continue
        refusals = 0
        keep_found(ward, found)
        ward.left += left
        ward.healed += len(found)
        waiting.append(ward)
    return None


def _time(systems: Mapping[str, Store], run: IdRun, index: int) -> int:
    """The time of an object's first or last record; that of its minute's edge where it cannot be read."""
    try:
        records: list[Record] = codec.decode_records(TRADES, systems[run.system].read(run.key))
        return record_time(records[index])
    except (CorruptObjectError, ObjectNotFoundError, IndexError):
        return run.minute + (MINUTE if index == 0 else 0)
