"""What a venue does to its own numbers, and frames that wait."""

from sandbox.exchanges.faults import Delay, Faults, ResetIds, SkipIds, VenueFault
from sandbox.exchanges.numbers import befall
from sandbox.exchanges.simulation import open_market


def test_skipped_ids_are_noted_and_never_used() -> None:
    market = open_market("binance", "BTC-USDT", seed=1, levels=20)
    trades, updates = market.last_trade_id, market.last_update_id
    (note,) = befall(SkipIds(trades=3, updates=5), [market], 10)
    assert note == {
        "type": "skip", "market": "BTC-USDT", "timestamp": 10,
        "trades": [trades + 1, trades + 3], "updates": [updates + 1, updates + 5],
    }  # fmt: skip
    assert (market.last_trade_id, market.last_update_id) == (trades + 3, updates + 5)


def test_ids_begin_anew_and_only_in_markets_that_match() -> None:
    bitcoin, ether = (open_market("binance", name, seed=1, levels=20) for name in ("BTC-USDT", "ETH-USDT"))
    kept = ether.last_trade_id
    (note,) = befall(ResetIds(markets="BTC-*"), [bitcoin, ether], 10)
    assert (note["type"], note["market"]) == ("reset", "BTC-USDT")
    assert (bitcoin.last_trade_id, bitcoin.last_update_id, ether.last_trade_id) == (0, 0, kept)


def test_a_fault_of_the_venue_befalls_it_once_whatever_routes_it_has() -> None:
    faults = Faults(["primary", "replica"])
    befallen: list[VenueFault] = []
    faults.befall = befallen.append
    faults.inject(ResetIds())
    assert (befallen, faults.in_force()) == ([ResetIds()], [])


def test_frames_wait_on_the_route_that_is_meant_until_the_time_is_over() -> None:
    now = 0.0
    faults = Faults(["primary", "replica"], lambda: now)
    faults.inject(Delay(route="primary", seconds=2))
    assert (faults.delays("primary"), faults.delays("replica")) == (True, False)
    now = 2.0
    assert not faults.delays("primary")
