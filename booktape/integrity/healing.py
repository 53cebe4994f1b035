"""Fetching a day's missing trades over REST, and keeping them as objects of their own.

A hole is asked for until it is filled or an answer brings nothing new. What is fetched goes the way of every record:
contiguous runs, minute batches, keys that say what is inside. So what is healed is covered from then on, and healing
again asks only for the rest.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final, NamedTuple

import httpx

from booktape.core import codec
from booktape.core.codec import CorruptObject
from booktape.core.records import MINUTE, TRADES, Record, Trade, record_time, sequence_id
from booktape.core.sequence import CONTIGUOUS, SEQUENCED, rule
from booktape.core.streams import Batch, Stream, key_of
from booktape.exchanges import exchange as exchange_of
from booktape.exchanges.spec import Exchange, Hole, RestTrades
from booktape.integrity import holes
from booktape.integrity.healed import HealedMarket, Healing
from booktape.integrity.holes import Missing, Run
from booktape.integrity.past_trades import Allowance, NotGiven, PastTrades, Stopped
from booktape.rest.asking import Purse
from booktape.storage import NoSuchObject, Store

REST: Final = "rest"
"""The system that healed trades are stored under."""

MOST_TRADES: Final = 100_000
SECONDS: Final = 900.0

_FORGOTTEN: Final = "the venue does not have them any more"
_MOST_REFUSALS: Final = 5
"""A venue that refuses so many markets in a row refuses all of them."""

Ask = Callable[[Hole], Sequence[Trade]]


class Filling(NamedTuple):
    """What was found of a hole, by number, and why it is not all."""

    found: dict[int, Trade]
    error: NotGiven | Stopped | None = None

    @property
    def in_order(self) -> list[Trade]:
        """The trades by their numbers."""
        return [self.found[number] for number in sorted(self.found)]


def fill(hole: Hole, ask: Ask) -> Filling:
    """Ask for a hole, and for what an answer leaves of it, until nothing is left or nothing new comes.

    An answer that only brings the times around a hole nearer is something new too: venues that are asked by time answer
    in pages.
    """
    found: dict[int, Trade] = {}
    open_holes = [hole]
    try:
        while open_holes:
            asked = open_holes.pop()
            told = {number: trade for trade in ask(asked) if (number := sequence_id(trade)) is not None}
            found |= {number: told[number] for number in told if hole.first <= number <= hole.last}
            left = narrowed(asked, {number: trade.timestamp for number, trade in told.items()})
            if left != [asked]:
                open_holes += left
    except (NotGiven, Stopped) as error:
        return Filling(found, error)
    return Filling(found)


def narrowed(hole: Hole, times: Mapping[int, int]) -> list[Hole]:
    """What is left of a hole once some numbers are known, in it or around it, and their times (µs)."""
    after = [times[number] for number in times if number < hole.first]
    before = [times[number] for number in times if number > hole.last]
    edges = [
        (hole.first - 1, max(hole.after, *after) if after else hole.after),
        *((number, times[number]) for number in sorted(times) if hole.first <= number <= hole.last),
        (hole.last + 1, min(hole.before, *before) if before else hole.before),
    ]
    return [
        Hole(hole.symbol, left + 1, right - 1, since, until)
        for (left, since), (right, until) in pairwise(edges)
        if right - left > 1
    ]


def keep(exchange: Exchange, market: str, trades: Iterable[Trade], store: Store) -> None:
    """Store trades, which come in the order of their numbers, as collectors do."""

    def put(batch: Batch) -> None:
        store.create(str(key_of(batch, exchange.id)), codec.compress(batch.lines))

    check = rule(exchange.channel(TRADES).rule, TRADES)
    stream = Stream(TRADES, market, put, lambda stream, gap: None, check, spans_connections=True)
    for trade in trades:
        stream.append(trade, trade.timestamp)
    stream.close()


@dataclass(frozen=True)
class Healer:
    """Heals any exchange's trades.

    :param systems: the stores of the systems that recorded, by name.
    :param rest: where healed trades are kept.
    :param purse: an exchange's budget.
    :param client: makes an HTTP client for one night.
    :param base: an exchange's REST URL where it is not the one that it declares.
    :param most_trades: how many trades may be asked for in a night, and in how many ``seconds``, of one exchange.
    """

    systems: Mapping[str, Store]
    rest: Store
    purse: Callable[[Exchange], Purse]
    client: Callable[[], httpx.Client]
    base: Callable[[Exchange], str | None] = lambda exchange: None
    most_trades: int = MOST_TRADES
    seconds: float = SECONDS
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, exchange: str, day: date) -> Healing:
        """Fetch what nobody has of a day, as far as the venue gives it.

        Only the stores' errors are raised; why the venue did not give something is told in the result.
        """
        venue = exchange_of(exchange)
        past = venue.rest.trades
        if past is None or venue.channel(TRADES).rule not in (CONTIGUOUS, SEQUENCED):
            return Healing({}, f"{exchange} gives no past trades by number")
        with self.client() as client:
            ward = _Ward(self, venue, self._past_trades(venue, past, client))
            markets = {
                market: ward.heal(market, found)
                for market, found in holes.find({**self.systems, REST: self.rest}, exchange, day)
                if found
            }
        return Healing(markets, ward.stopped)

    def _past_trades(self, venue: Exchange, past: RestTrades, client: httpx.Client) -> PastTrades:
        allowance = Allowance(self.most_trades, self.seconds, self.sleep)
        return PastTrades(venue, past, self.purse(venue), client, allowance, self.base(venue))


class _Ward:
    """One exchange's markets, healed one after the other. ``stopped``: why no more is asked."""

    def __init__(self, healer: Healer, venue: Exchange, past: PastTrades) -> None:
        self.stopped: str | None = None
        self._healer = healer
        self._venue = venue
        self._past = past
        self._refusals = 0

    def heal(self, market: str, found: Sequence[Missing]) -> HealedMarket:
        healed = 0
        why = self.stopped
        for hole in found:
            if self.stopped is not None:
                break
            filling = fill(self._hole(market, hole), self._past.ask)
            keep(self._venue, market, filling.in_order, self._healer.rest)
            healed += len(filling.found)
            self._judge(filling.error)
            if filling.error is not None:
                why = str(filling.error)
                break
            if len(filling.found) < hole.size:
                why = _FORGOTTEN
        return HealedMarket(len(found), sum(hole.size for hole in found), healed, why)

    def _judge(self, error: NotGiven | Stopped | None) -> None:
        self._refusals = self._refusals + 1 if isinstance(error, NotGiven) else 0
        if isinstance(error, Stopped) or self._refusals == _MOST_REFUSALS:
            self.stopped = str(error)

    def _hole(self, market: str, missing: Missing) -> Hole:
        after, before = self._time(missing.left, -1), self._time(missing.right, 0)
        return Hole(self._venue.symbol(market), missing.first, missing.last, after, before)

    def _time(self, run: Run, index: int) -> int:
        """The time of an object's first or last record; that of its minute's edge where it cannot be read."""
        store = self._healer.rest if run.system == REST else self._healer.systems[run.system]
        try:
            records: list[Record] = codec.decode(TRADES, store.read(run.key))
            return record_time(records[index])
        except (CorruptObject, NoSuchObject, IndexError):
            return run.minute + (MINUTE if index == 0 else 0)
