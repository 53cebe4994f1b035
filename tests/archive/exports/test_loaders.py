"""Recognised programs read our files as they are: hftbacktest's converter and nautilus_trader's loader of Tardis's CSV.

They are told nothing of Booktape: what they make of a file must be what the venue sent.
"""

import csv
import json
import os
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from booktape.archive.exports import MarketFile
from booktape.capture.ingest import ingest_capture
from booktape.exchanges import exchange
from booktape.model.records import DerivativeTicker, Quote, Trade
from tests.archive.exports.exporting import MIDNIGHT, World, open_world, snapshot, update
from tests.captures import reading
from tests.merge.systems import at

CAPTURE = (
    Path(os.environ.get("BOOKTAPE_CAPTURES", Path(__file__).parents[3] / "../shared/captures"))
    / "binance_spot/hftbacktest_btcusdt_20240808.jsonl.gz"
)
CAPTURED = date(2024, 8, 8)

Side = list[tuple[float, float]]
Sides = tuple[Side, Side]

BOOK: Sides = ([(10.5, 7.0), (9.75, 1.25), (8.0, 2.0)], [(11.0, 1.0), (11.5, 3.0), (13.0, 2.0)])
"""The book that :func:`record_a_day` leaves, best first."""

TRADES = [
    (MIDNIGHT + 1_500, MIDNIGHT + 1_900, "buy", 11.0, 0.5, "71"),
    (MIDNIGHT + 3_500, MIDNIGHT + 3_900, "sell", 10.5, 0.125, "72"),
    (MIDNIGHT + 6_500, MIDNIGHT + 6_900, "unknown", 10.5, 2.0, "73"),
]
"""The trades of that day: both times (µs), side, price, amount, id."""


def record_a_day(world: World) -> None:
    """Trades, and a book with a snapshot at its beginning and a larger one later, after which levels must be gone."""
    world.put(
        *(Trade(int(i), time, side, str(price), str(amount), got) for time, got, side, price, amount, i in TRADES)
    )
    world.put(
        snapshot(1, bids=[("10", "1")], asks=[("11", "1"), ("12", "4")]),
        update(2, bids=[("9.75", "2"), ("7", "1")], asks=[("11.5", "3")]),
        snapshot(4, bids=[("10.5", "1"), ("9.75", "1.25"), ("8", "1")], asks=[("11", "1"), ("11.5", "3"), ("13", "2")]),
        update(5, bids=[("10.5", "7"), ("8", "2")]),
    )


@pytest.fixture
def recorded(world: World) -> tuple[World, MarketFile, MarketFile]:
    record_a_day(world)
    (trades,), (book,) = world.export("trades"), world.export("book_updates")
    return world, trades, book


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, MarketFile, MarketFile]:
    """A real evening of Binance."""
    if not CAPTURE.is_file():
        pytest.skip("no captures: set BOOKTAPE_CAPTURES")
    world = open_world(tmp_path_factory.mktemp("captured"))
    ingest_capture(CAPTURE, exchange("binance"), world.systems.primary)
    (trades,), (book,) = (world.export(data_type, day=CAPTURED) for data_type in ("trades", "book_updates"))
    return world, trades, book


def sent_trades() -> list[tuple[int, str, float, float, str]]:
    """What Binance sent that evening: engine time (µs), taker's side, price, amount, id."""
    return [
        (event["T"] * 1000, "sell" if event["m"] else "buy", float(event["p"]), float(event["q"]), str(event["t"]))
        for event in reading.binance_events(CAPTURE)
        if event.get("e") == "trade" and event["T"] * 1000 < at(CAPTURED, 86_400_000_000)
    ]


def sent_book() -> Sides:
    """The evening's book at midnight, by Binance's own procedure."""
    snapshots = [json.loads(line["data"]) for line in reading.lines(CAPTURE) if line["kind"] == "http"]
    bids, asks = (dict(snapshots[0][key]) for key in ("bids", "asks"))
    for event in reading.binance_events(CAPTURE):
        if event.get("e") == "depthUpdate" and event["E"] * 1000 < at(CAPTURED, 86_400_000_000):
            for side, key in ((bids, "b"), (asks, "a")):
                for price, amount in event[key] if event["u"] > snapshots[0]["lastUpdateId"] else []:
                    reading.apply(side, price, amount)
    return as_sides({float(p): float(a) for p, a in bids.items()}, {float(p): float(a) for p, a in asks.items()})


def as_sides(bids: dict[float, float], asks: dict[float, float]) -> Sides:
    return sorted(bids.items(), reverse=True), sorted(asks.items())


def rows_of(world: World, file: MarketFile) -> list[dict[str, str]]:
    return list(csv.DictReader(world.text(file).splitlines()))


# hftbacktest


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Converts files, trades first, with room for the rows of the larger ones here."""
    tardis = pytest.importorskip("hftbacktest.data.utils.tardis", reason="has no wheel here")

    def convert(world: World, *files: MarketFile) -> Any:
        rows = sum(file.rows for file in files)
        paths = [str(world.path(file)) for file in files]
        return tardis.convert(paths, buffer_size=2 * rows + 100, ss_buffer_size=rows + 100)

    return convert


def received(events: Any, *kinds: int) -> list[tuple[int, int, int, float, float]]:
    """The events of these kinds in the order of their receipt: flags, both times (µs), price, amount."""
    from hftbacktest.types import LOCAL_EVENT

    flags = events["ev"]
    found = events[(flags & LOCAL_EVENT != 0) & np.isin(flags & 0xFF, kinds)]
    times = (found["exch_ts"] // 1000, found["local_ts"] // 1000)
    return list(zip(*(column.tolist() for column in (found["ev"], *times, found["px"], found["qty"])), strict=True))


def side_of(flags: int, buy: str, sell: str) -> str:
    from hftbacktest.types import BUY_EVENT, SELL_EVENT

    return buy if flags & BUY_EVENT else sell if flags & SELL_EVENT else "unknown"


def traded(events: Any) -> list[tuple[int, int, str, float, float]]:
    """The trades: both times (µs), taker's side, price, amount."""
    from hftbacktest.types import TRADE_EVENT

    found = received(events, TRADE_EVENT)
    return [(sent, got, side_of(flags, "buy", "sell"), price, amount) for flags, sent, got, price, amount in found]


def changed(events: Any) -> list[tuple[int, str, float, float]]:
    """The levels that were told: exchange time (µs), side, price, amount."""
    from hftbacktest.types import DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT

    found = received(events, DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT)
    return [(sent, side_of(flags, "bid", "ask"), price, amount) for flags, sent, _, price, amount in found]


def book_by_hftbacktest(events: Any) -> Sides:
    """The book after all events, as hftbacktest's documentation says to apply them."""
    from hftbacktest.types import DEPTH_CLEAR_EVENT, DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT

    sides: dict[str, dict[float, float]] = {"bid": {}, "ask": {}}
    for flags, _, _, price, amount in received(events, DEPTH_CLEAR_EVENT, DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT):
        name = side_of(flags, "bid", "ask")
        side = sides[name]
        if flags & 0xFF == DEPTH_CLEAR_EVENT:
            for level in [level for level in side if (level >= price if name == "bid" else level <= price)]:
                del side[level]
        elif amount == 0:
            side.pop(price, None)
        else:
            side[price] = amount
    return as_sides(sides["bid"], sides["ask"])


def told_levels(rows: Sequence[dict[str, str]]) -> list[tuple[int, str, float, float]]:
    return [(int(row["timestamp"]), row["side"], float(row["price"]), float(row["amount"])) for row in rows]


def test_hftbacktest_reads_every_trade_and_every_level(
    recorded: tuple[World, MarketFile, MarketFile], converted: Callable[..., Any]
) -> None:
    world, trades, book = recorded
    events = converted(world, trades, book)
    assert traded(events) == [trade[:5] for trade in TRADES]
    assert changed(events) == told_levels(rows_of(world, book))
    assert book_by_hftbacktest(events) == BOOK


def test_hftbacktest_reads_an_evening_of_binance(
    captured: tuple[World, MarketFile, MarketFile], converted: Callable[..., Any]
) -> None:
    """The recording machine's clock was behind: hftbacktest moves all receipts by as much as it takes."""
    world, trades, book = captured
    events = converted(world, trades, book)
    seen = [(time, side, price, amount) for time, _, side, price, amount in traded(events)]
    assert seen == [trade[:4] for trade in sent_trades()]
    assert len(seen) == 9_738
    assert changed(events) == told_levels(rows_of(world, book))
    assert len(changed(events)) == 125_823
    assert book_by_hftbacktest(events) == sent_book()


# nautilus_trader


@pytest.fixture
def loader() -> Callable[..., Any]:
    """Makes loaders that take instrument and precisions from the file, unless they are told."""
    loaders = pytest.importorskip("nautilus_trader.adapters.tardis.loaders", reason="has no wheel here")

    def make(**options: Any) -> Any:
        return loaders.TardisCSVDataLoader(**options)

    return make


def number(exact: Any) -> float:
    """A price or an amount by its text: nautilus_trader's own ``float()`` of a fixed-point number is a little off."""
    return float(str(exact))


def book_by_nautilus(deltas: Sequence[Any]) -> Sides:
    """The book that nautilus_trader itself keeps by these deltas."""
    from nautilus_trader.model.book import OrderBook
    from nautilus_trader.model.enums import BookType

    book = OrderBook(deltas[0].instrument_id, BookType.L2_MBP)
    for delta in deltas:
        book.apply_delta(delta)
    bids, asks = ([(number(level.price), level.size()) for level in side] for side in (book.bids(), book.asks()))
    return bids, asks


def traded_by_nautilus(ticks: Sequence[Any]) -> list[tuple[int, int, str, float, float, str]]:
    """The trades: both times (µs), taker's side, price, amount, id."""
    sides = {"BUYER": "buy", "SELLER": "sell", "NO_AGGRESSOR": "unknown"}
    return [
        (
            tick.ts_event // 1000,
            tick.ts_init // 1000,
            sides[tick.aggressor_side.name],
            number(tick.price),
            number(tick.size),
            str(tick.trade_id),
        )
        for tick in ticks
    ]


def levels_by_nautilus(deltas: Sequence[Any]) -> list[tuple[int, str, float, float]]:
    sides = {"BUY": "bid", "SELL": "ask"}
    return [
        (delta.ts_event // 1000, sides[delta.order.side.name], number(delta.order.price), number(delta.order.size))
        for delta in deltas
    ]


def test_nautilus_reads_every_trade_and_every_level(
    recorded: tuple[World, MarketFile, MarketFile], loader: Callable[..., Any]
) -> None:
    world, trades, book = recorded
    ticks = loader().load_trades(world.path(trades))
    assert traded_by_nautilus(ticks) == TRADES
    assert {str(tick.instrument_id) for tick in ticks} == {"BTCUSDT.BINANCE"}
    assert {(tick.price.precision, tick.size.precision) for tick in ticks} == {(1, 3)}
    deltas = loader().load_deltas(world.path(book))
    assert levels_by_nautilus(deltas) == told_levels(rows_of(world, book))
    assert {(delta.order.price.precision, delta.order.size.precision) for delta in deltas} == {(2, 2)}
    assert book_by_nautilus(deltas) == BOOK


def test_nautilus_reads_quotes_and_funding_rates(world: World, loader: Callable[..., Any]) -> None:
    put = partial(world.put, market="BTC-USDT-PERP", exchange="binance-futures")
    put(Quote(1, MIDNIGHT + 1000, "10.5", "3", "11.25", "4.125", MIDNIGHT + 1100))
    put(
        DerivativeTicker(
            timestamp=MIDNIGHT + 2000,
            funding_timestamp=MIDNIGHT + 9000,
            funding_rate="0.0001",
            local_timestamp=MIDNIGHT,
        ),
    )
    (quotes,) = world.export("quotes", "binance-futures")
    (quote,) = loader(price_precision=2, size_precision=3).load_quotes(world.path(quotes))
    assert (str(quote.bid_price), str(quote.bid_size), str(quote.ask_price), str(quote.ask_size)) == (
        "10.50",
        "3.000",
        "11.25",
        "4.125",
    )
    assert (quote.ts_event, quote.ts_init) == ((MIDNIGHT + 1000) * 1000, (MIDNIGHT + 1100) * 1000)
    (tickers,) = world.export("derivative_ticker", "binance-futures")
    (funding,) = loader().load_funding_rates(world.path(tickers))
    assert (str(funding.rate), funding.ts_event) == ("0.0001", (MIDNIGHT + 2000) * 1000)


@pytest.mark.parametrize(
    ("exchange_id", "market", "instrument"),
    [
        ("okx", "BTC-USDT-PERP", "BTC-USDT-SWAP.OKEX"),
        ("kraken", "BTC-USD", "BTC/USD.KRAKEN"),
        ("htx", "BTC-USDT", "BTCUSDT.HUOBI"),
        ("gate-futures", "BTC-USDT-PERP", "BTC_USDT.GATE_IO"),
    ],
)
def test_nautilus_knows_the_venues_by_tardiss_names(
    world: World, loader: Callable[..., Any], exchange_id: str, market: str, instrument: str
) -> None:
    world.put(Trade(1, MIDNIGHT, "buy", "10", "1", MIDNIGHT + 1), market=market, exchange=exchange_id)
    (trades,) = world.export("trades", exchange_id)
    (tick,) = loader().load_trades(world.path(trades))
    assert str(tick.instrument_id) == instrument


def test_nautilus_reads_an_evening_of_binance(
    captured: tuple[World, MarketFile, MarketFile], loader: Callable[..., Any]
) -> None:
    world, trades, book = captured
    ticks = loader(price_precision=2, size_precision=8).load_trades(world.path(trades))
    seen = [(time, side, price, amount, i) for time, _, side, price, amount, i in traded_by_nautilus(ticks)]
    assert seen == sent_trades()
    deltas = loader(price_precision=2, size_precision=8).load_deltas(world.path(book))
    assert levels_by_nautilus(deltas) == told_levels(rows_of(world, book))
    assert book_by_nautilus(deltas) == sent_book()
