"""What a venue may do to its own numbers: skip some, or begin anew. Pure."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from sandbox.exchanges.faults import SkipIds, VenueFault
from sandbox.exchanges.ledger import Record
from sandbox.exchanges.market import Market


def befall(fault: VenueFault, markets: Iterable[Market], timestamp: int) -> Iterator[Record]:
    """Let a fault happen to the markets that it is meant for; gives the ledger's notes of it.

    A note's ranges are those that were skipped, both ends included; of a reset they are the last ids before it.
    """
    for market in markets:
        if fnmatchcase(market.spec.name, fault.markets):
            yield _skip(market, fault, timestamp) if isinstance(fault, SkipIds) else _reset(market, timestamp)


def _skip(market: Market, fault: SkipIds, timestamp: int) -> Record:
    trades, updates = market.last_trade_id, market.last_update_id
    market.skip(fault.trades, fault.updates)
    return {
        "type": "skip",
        "market": market.spec.name,
        "timestamp": timestamp,
        "trades": [trades + 1, market.last_trade_id],
        "updates": [updates + 1, market.last_update_id],
    }


def _reset(market: Market, timestamp: int) -> Record:
    trades, updates = market.last_trade_id, market.last_update_id
    market.reset()
    return {
        "type": "reset",
        "market": market.spec.name,
        "timestamp": timestamp,
        "last_trade": trades,
        "last_update": updates,
    }
