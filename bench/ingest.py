"""Measures each way with its frames: all in one run, interleaved, medians."""

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Final

from bench import frames, peers, ways

FLOOR: Final = "floor"
OURS: Final = "booktape"
PARSE: Final = "parser"
CRYPTOFEED: Final = "cryptofeed"

_TRADES_A_MINUTE: Final = 2_000
_DEPTH_UPDATES_A_MINUTE: Final = 600
_LEVELS: Final = 44


@dataclass(frozen=True, slots=True)
class Way:
    """One way to take one kind of messages; ``prepare`` is None where what it needs is not installed."""

    message: str
    name: str
    frames: list[bytes]
    prepare: ways.Prepare | None


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a way per message, in µs of processor time; None where it could not be measured.

    ``times_floor`` is None also where the way does other work than the floor, and for messages without one.
    """

    message: str
    way: str
    microseconds: float | None
    times_floor: float | None


def all_ways(minutes: int) -> list[Way]:
    """Every way, over ``minutes`` of the traffic of a large market."""
    trades = minutes * _TRADES_A_MINUTE
    updates = minutes * _DEPTH_UPDATES_A_MINUTE
    cryptofeed = peers.cryptofeed if peers.cryptofeed_version() else None
    trade_frames = frames.binance_trades(trades, _TRADES_A_MINUTE)
    depth_frames = frames.binance_depth(updates, _DEPTH_UPDATES_A_MINUTE, _LEVELS)
    aggregated = frames.binance_trades(trades, _TRADES_A_MINUTE, aggregated=True)
    coinbase_frames = frames.coinbase_books(trades, _TRADES_A_MINUTE, 6)
    kraken_frames = frames.kraken_books(trades, _TRADES_A_MINUTE, 2)
    binance = ways.booktape("binance"), ways.parse_only("binance")
    trade, depth = "Binance trade", f"Binance depth, {_LEVELS} levels"
    coinbase, kraken = "Coinbase book, 6 levels", "Kraken book, 2 levels"
    return [
        Way(trade, FLOOR, trade_frames, ways.floor(ways.trade, _TRADES_A_MINUTE)),
        Way(trade, OURS, trade_frames, binance[0]),
        Way(trade, PARSE, trade_frames, binance[1]),
        Way(trade, CRYPTOFEED, aggregated, cryptofeed),
        Way(depth, FLOOR, depth_frames, ways.floor(ways.depth, _DEPTH_UPDATES_A_MINUTE)),
        Way(depth, OURS, depth_frames, binance[0]),
        Way(depth, PARSE, depth_frames, binance[1]),
        Way(depth, CRYPTOFEED, depth_frames, cryptofeed),
        Way(coinbase, OURS, coinbase_frames, ways.booktape("coinbase")),
        Way(coinbase, PARSE, coinbase_frames, ways.parse_only("coinbase")),
        Way(kraken, OURS, kraken_frames, ways.booktape("kraken")),
        Way(kraken, PARSE, kraken_frames, ways.parse_only("kraken")),
    ]


def rounds(measured: list[Way], repeats: int) -> Iterator[list[float | None]]:
    """Each round takes every way once, in turn, and yields the µs per message of each."""
    for _ in range(repeats):
        yield [_once(way) for way in measured]


def costs(measured: list[Way], times: list[list[float | None]]) -> list[Cost]:
    """The medians of all rounds, each beside the floor of its message."""
    medians = [_median([each[number] for each in times]) for number in range(len(measured))]
    floors = {way.message: value for way, value in zip(measured, medians, strict=True) if way.name == FLOOR}
    return [
        Cost(way.message, way.name, value, _ratio(value, None if way.name == PARSE else floors.get(way.message)))
        for way, value in zip(measured, medians, strict=True)
    ]


def _once(way: Way) -> float | None:
    if way.prepare is None:
        return None
    with TemporaryDirectory(prefix="booktape-bench-") as name:
        work = way.prepare(way.frames, Path(name))
        gc.collect()
        started = process_time()
        work()
        return (process_time() - started) / len(way.frames) * 1e6


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _ratio(value: float | None, floor: float | None) -> float | None:
    return value / floor if value is not None and floor else None
