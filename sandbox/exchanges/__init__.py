"""Simulated exchanges: servers that speak the real public protocols of Binance spot, Coinbase and Kraken.

In tests: `async with simulated("binance", ["BTC-USDT"], seed=1) as exchange:`, then `exchange.routes["primary"].ws`.
`async with played(path) as exchange:` serves a recorded connection again.
On the command line: `python -m sandbox.exchanges --exchange binance --markets BTC-USDT --ledger FILE`.
"""

from sandbox.exchanges.capture import Playing, played
from sandbox.exchanges.simulation import Route, Simulation, simulated

__all__ = ["Playing", "Route", "Simulation", "played", "simulated"]
