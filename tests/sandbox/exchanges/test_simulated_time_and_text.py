"""Market time, windows, the engine, and numbers as text."""

import itertools
from collections.abc import Iterable

import pytest

from sandbox.exchanges.clock import MarketClock, http_date, iso_micros, iso_trimmed, parse_time
from sandbox.exchanges.engine import Engine
from sandbox.exchanges.simulation import build_venue
from sandbox.exchanges.specs import market_spec
from sandbox.exchanges.text import fixed, padded, trimmed
from sandbox.exchanges.venue import Message
from sandbox.exchanges.windows import Windows

MIDNIGHT = 1_795_219_200_000_000


def test_numbers_are_written_with_all_decimals_padded_or_trimmed() -> None:
    assert fixed(6183763, 2) == "61837.63"
    assert fixed(5, 3) == "0.005"
    assert fixed(12, 0) == "12"
    assert padded(6183763, 2, 8) == "61837.63000000"
    assert trimmed(6183760, 2) == "61837.6"
    assert trimmed(100, 2) == "1"
    assert trimmed(100, 0) == "100"
    assert trimmed(0, 8) == "0"


def test_times_are_written_as_each_venue_does() -> None:
    assert iso_micros(MIDNIGHT + 30) == "2026-11-21T00:00:00.000030Z"
    assert iso_trimmed(MIDNIGHT * 1000 + 250_450_000) == "2026-11-21T00:00:00.25045Z"
    assert iso_trimmed(MIDNIGHT * 1000) == "2026-11-21T00:00:00Z"
    assert http_date(MIDNIGHT + 999_999) == "Sat, 21 Nov 2026 00:00:00 GMT"
    assert parse_time("2026-11-21T00:00:00Z") == MIDNIGHT
    assert parse_time("2026-11-21T00:00:00.000001") == MIDNIGHT + 1


def test_market_time_runs_speed_times_as_fast_from_a_shared_origin() -> None:
    clock = MarketClock(MIDNIGHT, speed=60, origin=100.0, monotonic=lambda: 100.5)
    assert clock.elapsed() == 0.5
    assert clock.now() == MIDNIGHT + 30_000_000


def test_windows_are_aligned_to_the_epoch_and_end_exclusively() -> None:
    windows: Windows[str] = Windows(100)
    windows.add("a", 210, "first")
    windows.add("b", 220, "second")
    windows.add("a", 299, "third")
    assert windows.flush(299) == []
    assert windows.flush(300) == [("a", 300, ["first", "third"]), ("b", 300, ["second"])]
    assert windows.flush(400) == []


def test_a_market_name_must_be_base_and_quote() -> None:
    with pytest.raises(ValueError, match="BASE-QUOTE"):
        market_spec("binance", "BTCUSDT")


def engine(real: list[float], until: int | None = None) -> Engine:
    clock = MarketClock(MIDNIGHT, speed=60, origin=0.0, monotonic=lambda: real[0])
    return Engine(build_venue("binance", ["BTC-USDT", "ETH-USDT"], seed=3), clock, rate=50, seed=3, until=until)


def bodies(messages: Iterable[Message]) -> list[tuple[str, str]]:
    return [(message.stream, message.body.plain) for message in messages]


def test_what_is_sent_does_not_depend_on_how_often_the_clock_is_looked_at() -> None:
    at_once, often = engine([0.0]), engine([0.0])
    expected = bodies(at_once.advance(2.0))
    assert bodies(message for look in range(1, 201) for message in often.advance(look / 100)) == expected
    assert len(expected) > 100


def test_messages_leave_in_the_order_of_market_time_give_or_take_the_lag_of_a_trade() -> None:
    times = [message.timestamp for message in engine([0.0]).advance(2.0)]
    assert all(later >= earlier - 1_000 for earlier, later in itertools.pairwise(times))


def test_the_engine_stops_at_until_and_sends_the_windows_that_are_open() -> None:
    running = engine([0.0], until=MIDNIGHT + 30_000_000)
    messages = running.advance(2.0)
    assert running.finished
    assert max(message.timestamp for message in messages) <= MIDNIGHT + 30_100_000
    assert running.advance(3.0) == []
    assert running.time == MIDNIGHT + 180_000_000
