"""Markets that open and close while the venue runs.

A new market opens, trades and is listed by the venue's REST API from then on. A delisted one falls silent, and the REST
API says so in its own way: Binance keeps it with another status, so does Coinbase, Kraken lists it no longer.
"""

from collections.abc import Callable

from sandbox.exchanges.engine import Engine
from sandbox.exchanges.ledger import Ledger
from sandbox.exchanges.market import Market
from sandbox.exchanges.venue import Venue


class Listings:
    """Opens and closes the markets of one venue.

    :param make: a freshly opened market by its name. Raises ValueError for a bad name.
    """

    def __init__(self, venue: Venue, engine: Engine, ledger: Ledger, make: Callable[[str], Market]) -> None:
        self._venue = venue
        self._engine = engine
        self._ledger = ledger
        self._make = make

    def open(self, name: str) -> None:
        """List a new market, or a delisted one again. Raises ValueError for a bad name; a listed one stays listed."""
        market = self._venue.markets.get(name)
        if market is None:
            market = self._make(name)
            self._venue.add(market)
            self._ledger.append(self._venue.snapshot(market, self._engine.time))
        elif market.trading:
            return
        market.trading = True
        self._engine.begin(name)

    def close(self, name: str) -> None:
        """Delist a market. Raises KeyError for an unknown one."""
        self._venue.markets[name].trading = False
        self._engine.end(name)

    def status(self) -> dict[str, bool]:
        """Whether each market trades, by its name."""
        return {name: market.trading for name, market in self._venue.markets.items()}
