"""A simulated venue whose day is over, and what two systems recorded of it: for tests of healing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import httpx

from booktape.exchanges import exchange
from booktape.model import codec
from booktape.model.records import MINUTE, TRADES, Trade
from booktape.rest.backfill import Backfiller, store_trades
from booktape.rest.backfill_results import BackfillResult
from booktape.rest.rate_limits import LocalRateLimiter
from booktape.store.layout import parse_batch_key
from booktape.store.objects import Store, open_store
from sandbox.exchanges import Simulation, simulated
from tests.waiting import soon

DAY: Final = date(2026, 11, 20)
MARKETS: Final = {
    "binance": ["BTC-USDT", "ETH-USDT"],
    "coinbase": ["BTC-USD", "ETH-USD"],
    "kraken": ["BTC-USD", "DOGE-USD"],
}


def in_no_time(seconds: float) -> None:
    """Sleeps not at all."""


@dataclass
class Night:
    """A simulated venue whose day is over, and the storage of what was recorded of it."""

    simulation: Simulation
    systems: dict[str, Store]
    rest: Store
    slept: list[float] = field(default_factory=list)

    @property
    def exchange(self) -> str:
        return self.simulation.exchange

    def sent(self, market: str) -> list[Trade]:
        """Every trade of a market, as a perfect collector would have it."""
        names = ("id", "timestamp", "side", "price", "amount", "timestamp")
        ledger = self.simulation.ledger.read("trade", market)
        return [Trade(*(record[name] for name in names)) for record in ledger]

    def record(self, system: str, market: str, *cuts: range) -> None:
        """Let a system record a market but for some trades, counted from the first."""
        lost = {number for cut in cuts for number in cut}
        trades = [trade for number, trade in enumerate(self.sent(market)) if number not in lost]
        store_trades(exchange(self.exchange), market, trades, self.systems[system])

    def healer(self, **changes: Any) -> Backfiller:
        healer = Backfiller(
            systems=self.systems,
            target=self.rest,
            rate_limiter=lambda venue: LocalRateLimiter(venue.id),
            client=httpx.Client,
            base=lambda venue: self.simulation.routes["primary"].http,
            sleep=in_no_time,
        )
        return replace(healer, **changes)

    async def heal(self, night: str | None = None, **changes: Any) -> BackfillResult:
        """In a thread: the venue lives in this one."""
        return await anyio.to_thread.run_sync(partial(self.healer(**changes), self.exchange, DAY, night))

    def healed(self, market: str) -> list[Trade]:
        return stored(self.rest, self.exchange, market)


def stored(store: Store, venue: str, market: str) -> list[Trade]:
    """All trades of a market in a store, by id; each object is what its key says."""
    trades: list[Trade] = []
    for found in store.objects(f"trades/exchange={venue}/pair={market}"):
        key, content = parse_batch_key(found.key), store.read(found.key)
        records: Any = codec.decode_records(TRADES, content)
        assert [record.id for record in records] == list(range(key.first, key.last + 1))
        assert codec.digest(codec.decompress(content)) == key.digest
        assert all(record.timestamp < key.minute + MINUTE for record in records)
        trades += records
    return sorted(trades, key=lambda trade: int(trade.id))


@asynccontextmanager
async def night(venue: str, directory: Path, *, events: int = 1_500) -> AsyncIterator[Night]:
    """Ten minutes around midnight, in a fifth of a real second."""
    options: dict[str, Any] = {"start": "2026-11-20T23:55:00Z", "until": "2026-11-21T00:05:00Z", "speed": 3_000}
    async with simulated(venue, MARKETS[venue], rate=5 * events, levels=50, **options) as simulation:
        await soon(lambda: simulation.server.engine.finished)
        systems = {name: open_store(str(directory / name)) for name in ("primary", "replica")}
        yield Night(simulation, systems, open_store(str(directory / "primary" / "rest")))
