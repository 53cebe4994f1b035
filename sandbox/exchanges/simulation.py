"""Simulated exchanges for tests: start one in this process, use it over real sockets, and it is gone afterwards."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.exchanges.binance import Binance
from sandbox.exchanges.clock import MarketClock, Opening, parse_time
from sandbox.exchanges.coinbase import Coinbase
from sandbox.exchanges.engine import Engine
from sandbox.exchanges.faults import Faults
from sandbox.exchanges.kraken import Kraken
from sandbox.exchanges.ledger import Ledger
from sandbox.exchanges.listings import Listings
from sandbox.exchanges.market import Market
from sandbox.exchanges.server import ExchangeServer
from sandbox.exchanges.specs import market_spec
from sandbox.exchanges.venue import Venue

VENUES: Mapping[str, type[Binance] | type[Coinbase] | type[Kraken]] = {
    "binance": Binance,
    "coinbase": Coinbase,
    "kraken": Kraken,
}
DEFAULT_START = "2026-11-20T23:50:00Z"
DEFAULT_ROUTES = {"primary": 0}


@dataclass(frozen=True, slots=True)
class Route:
    """Where one route of an exchange listens. Venue paths go behind these."""

    ws: str
    http: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """A running simulated exchange."""

    exchange: str
    routes: Mapping[str, Route]
    server: ExchangeServer

    @property
    def ledger(self) -> Ledger:
        """Everything that was sent."""
        return self.server.ledger

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self.server.faults

    @property
    def listings(self) -> Listings:
        """Lists and delists markets."""
        return self.server.listings

    @property
    def venue(self) -> Venue:
        """The venue and its markets."""
        return self.server.venue

    def finish(self) -> None:
        """Stop the markets here and now: all is sent, the ledger is complete, connections stay open."""
        self.server.finish()

    async def read_by_all(self) -> None:
        """Wait until every client that is connected has read what it was sent until now."""
        await self.server.read_by_all()


def build_venue(exchange: str, markets: Iterable[str], seed: int, levels: int = 500) -> Venue:
    """A venue with freshly opened markets. Raises KeyError for an unknown exchange, ValueError for a bad name."""
    return VENUES[exchange]([open_market(exchange, name, seed, levels) for name in markets])


def open_market(exchange: str, name: str, seed: int, levels: int = 500) -> Market:
    """A freshly opened market. Raises KeyError for an unknown exchange, ValueError for a bad name."""
    return Market(market_spec(exchange, name, levels), seed)


def loopback_routes(ports: Mapping[str, int]) -> dict[str, Route]:
    """The urls of routes by name."""
    return {name: Route(f"ws://127.0.0.1:{port}", f"http://127.0.0.1:{port}") for name, port in ports.items()}


@asynccontextmanager
async def simulated(
    exchange: str,
    markets: Iterable[str],
    *,
    seed: int = 1,
    speed: float = 1.0,
    rate: float = 20.0,
    start: str = DEFAULT_START,
    until: str | None = None,
    origin: float | None = None,
    opening: Path | None = None,
    routes: Mapping[str, int] = DEFAULT_ROUTES,
    levels: int = 500,
    ledger: Path | None = None,
) -> AsyncIterator[Simulation]:
    """A simulated exchange on loopback ports.

    `rate` is in market events per market and real second, `speed` in market seconds per real second; `start` and
    `until` are ISO times of the market; `origin` is the monotonic reading at which market time is `start` (now, if
    None). With an `opening` file nobody trades until the moment that it names (:class:`Opening`). `routes` maps names
    to ports, 0 for any free one. Without a `ledger` path the ledger is kept in memory.
    """
    began = time.monotonic() if origin is None else origin
    clock = MarketClock(parse_time(start), speed, began, opening=None if opening is None else Opening(opening))
    venue = build_venue(exchange, markets, seed, levels)
    engine = Engine(venue, clock, rate, seed, parse_time(until) if until else None)
    notes = Ledger(ledger)
    listings = Listings(venue, engine, notes, lambda name: open_market(exchange, name, seed, levels))
    server = ExchangeServer(venue, engine, clock, notes, listings, routes)
    await server.start()
    try:
        yield Simulation(exchange, loopback_routes(server.ports), server)
    finally:
        await server.stop()
