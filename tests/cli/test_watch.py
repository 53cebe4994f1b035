"""``booktape watch``: the newest of each market, as workers keep it in Redis."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from rich.console import Console

from booktape.model.records import Trade
from booktape.store import clock, live_cache
from booktape.store.live_cache import Latest, LiveCache, Top
from sandbox import redis
from tests.cli.conftest import Outcome
from tests.waiting import DEADLINE
from workers import watch

Booktape = Callable[..., Outcome]

NOON = 1_723_204_800_000_000
TRADE = Trade(7, NOON, "buy", "60000.10", "0.5", NOON + 50)
TOP = Top(NOON, [("60000.00", "1")], [("60000.20", "2")], NOON + 60)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis.running(tmp_path_factory.mktemp("redis"), redis.free_port()) as url:
        yield url


@pytest.fixture
def client(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator["Redis[bytes]"]:
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setattr(clock, "now", lambda: NOON + 1_500_060)
    monkeypatch.setattr(live_cache, "_TIMEOUT_SECONDS", DEADLINE)
    with Redis.from_url(url) as client:
        client.flushall()
        yield client


def test_it_shows_last_trade_best_bid_and_ask_and_their_age(
    booktape: Booktape, client: "Redis[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    LiveCache(client, "binance", "primary-a").write({"BTC-USDT": Latest(TRADE, TOP), "ETH-USDT": Latest(TRADE)})
    monkeypatch.setattr(watch, "out", Console(width=200))
    outcome = booktape("watch", "--once")
    assert outcome.status == 0, outcome.err
    shown = [line.split() for line in outcome.out.splitlines()]
    assert shown[1] == ["binance", "BTC-USDT", "60000.10", "0.5", "buy", "1", "60000.00", "60000.20", "2", "1.5", "s"]
    assert shown[2] == ["binance", "ETH-USDT", "60000.10", "0.5", "buy", "1.5", "s"]


def test_one_exchange_and_some_markets_as_json(booktape: Booktape, client: "Redis[bytes]") -> None:
    LiveCache(client, "binance", "primary-a").write({"BTC-USDT": Latest(TRADE, TOP), "BTC-EUR": Latest(TRADE)})
    LiveCache(client, "kraken", "primary-a").write({"BTC-USD": Latest(TRADE)})
    outcome = booktape("watch", "binance", "--markets", "*-USDT", "--once", "--json")
    assert json.loads(outcome.out) == {
        "binance": {
            "BTC-USDT": {
                "trade": {
                    "id": 7, "timestamp": NOON, "side": "buy", "price": "60000.10", "amount": "0.5",
                    "local_timestamp": NOON + 50,
                },
                "top": {
                    "timestamp": NOON, "bids": [["60000.00", "1"]], "asks": [["60000.20", "2"]],
                    "local_timestamp": NOON + 60,
                },
            }
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "no worker keeps live values of any exchange (all): start one with `booktape record --live`"),
        (["kraken"], "no worker keeps live values of kraken (all): start one with"),
        (["krakn"], "unknown exchange 'krakn'"),
        (["--markets", "btcusdt"], "'btcusdt' is not a market's name"),
    ],
)
def test_what_cannot_be_watched_is_said(
    booktape: Booktape, client: "Redis[bytes]", arguments: list[str], error: str
) -> None:
    outcome = booktape("watch", *arguments, "--once")
    assert outcome.status == 1
    assert error in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_without_redis_it_is_said_so(booktape: Booktape, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{redis.free_port()}/0")
    outcome = booktape("watch", "--once")
    assert outcome.status == 1
    assert "Redis does not answer" in outcome.err


def test_a_redis_url_that_is_none_is_told_in_one_line(booktape: Booktape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis.example.com")
    outcome = booktape("watch", "--once")
    assert (outcome.status, outcome.out) == (1, "")
    assert "set REDIS_URL to a URL like redis://127.0.0.1:6379/0" in outcome.err
    assert len(outcome.err.splitlines()) == 1
