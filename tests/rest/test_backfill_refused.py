"""Whatever a venue answers, healing ends well, asks no more than it may, and tells why trades are still missing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fakeredis import FakeRedis
from msgspec import structs

from booktape.exchanges import exchange
from booktape.model.records import MINUTE, SECOND, Trade
from booktape.rest import backfill as healing_of_day
from booktape.rest.backfill import Backfiller, store_trades
from booktape.rest.backfill_results import BackfilledMarket, BackfillResult
from booktape.rest.rate_limits import LocalRateLimiter, RedisRateLimiter
from booktape.store import clock
from booktape.store.objects import StorageUnavailableError, Store, open_store
from sandbox.exchanges.faults import RestLimit
from tests.integrity.nights import DAY, MARKETS, Night, night

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def binance(tmp_path: Path) -> AsyncIterator[Night]:
    async with night("binance", tmp_path) as made:
        yield made


async def test_a_venue_that_says_when_to_come_back_is_left_alone_until_then(
    binance: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    binance.record("primary", "BTC-USDT", range(20, 60))
    now = [0.0]
    began = clock.now()
    monkeypatch.setattr(clock, "now", lambda: began + round(now[0] * SECOND))
    faults = binance.simulation.faults
    faults._monotonic = lambda: now[0]
    faults.inject(RestLimit(seconds=1.5))

    def sleep(seconds: float) -> None:
        binance.slept.append(seconds)
        now[0] += seconds

    healing = await binance.heal(sleep=sleep)
    assert healing.markets == {"BTC-USDT": BackfilledMarket(holes=1, missing=40, healed=40)}
    assert 1 <= max(binance.slept) <= 2


async def test_a_ban_longer_than_the_nights_patience_ends_it_and_is_told(binance: Night) -> None:
    for market in MARKETS["binance"]:
        binance.record("primary", market, range(20, 60))
    binance.simulation.faults._monotonic = lambda: 10.0
    binance.simulation.faults.inject(RestLimit(seconds=500, status=418))
    healing = await binance.heal(max_seconds=100)
    why = healing.why
    assert why is not None
    assert why.endswith("answered 418: no more requests for 500 s")
    assert healing.markets == dict.fromkeys(
        MARKETS["binance"], BackfilledMarket(holes=1, missing=40, healed=0, why=why)
    )


async def test_the_budget_that_all_share_is_waited_for(binance: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    binance.record("primary", "BTC-USDT", range(20, 60))
    this_minute = clock.now()
    monkeypatch.setattr(clock, "now", lambda: this_minute)  # the next minute has a budget of its own
    redis = FakeRedis()
    RedisRateLimiter(redis, "binance", 6_000).take(6_000)
    healing = await binance.heal(rate_limiter=lambda venue: RedisRateLimiter(redis, venue.id, 6_000), max_seconds=0.5)
    assert healing.why == "binance: this minute's request weight of 6000 is used up"
    assert healing.markets["BTC-USDT"].healed == 0


async def test_one_market_that_the_venue_refuses_stops_no_other(binance: Night) -> None:
    binance.record("primary", "ETH-USDT", range(20, 60))
    store_trades(exchange("binance"), "AAA-USDT", binance.sent("BTC-USDT")[:10], binance.systems["primary"])
    store_trades(exchange("binance"), "AAA-USDT", binance.sent("BTC-USDT")[12:20], binance.systems["primary"])
    healing = await binance.heal()
    refused, healed = healing.markets["AAA-USDT"], healing.markets["ETH-USDT"]
    assert (refused.holes, refused.missing, refused.healed) == (1, 2, 0)
    assert refused.why is not None
    assert "answered 400: " in refused.why
    assert healed == BackfilledMarket(holes=1, missing=40, healed=40)
    assert healing.why is None


async def test_a_venue_that_refuses_everything_is_not_asked_for_everything(binance: Night) -> None:
    asked: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(451, text="not from here")

    for number in range(8):
        for part in (slice(0, 10), slice(12, 20)):
            store_trades(
                exchange("binance"), f"A{number}-USDT", binance.sent("BTC-USDT")[part], binance.systems["primary"]
            )
    healing = await binance.heal(client=lambda: httpx.Client(transport=httpx.MockTransport(refuse)))
    assert len(asked) == 5
    assert healing.why is not None
    assert "answered 451: 'not from here'" in healing.why
    assert [market.why is not None for market in healing.markets.values()] == [True] * 8


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx.Response(200, text="<html>"), "JSON is malformed"),
        (httpx.Response(200, json=[{"id": 1}]), "missing required field"),
        (httpx.Response(503), "answered 503"),
        (httpx.ConnectError("connection refused"), "does not answer: connection refused"),
        (httpx.DecodingError("bad gzip"), "bad gzip"),
    ],
)
async def test_no_failure_of_the_venue_is_raised(
    binance: Night, answer: httpx.Response | httpx.HTTPError, why: str
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return answer

    binance.record("primary", "BTC-USDT", range(20, 60))
    healing = await binance.heal(client=lambda: httpx.Client(transport=httpx.MockTransport(fail)))
    market = healing.markets["BTC-USDT"]
    assert (market.missing, market.healed) == (40, 0)
    assert market.why is not None
    assert why in market.why


@pytest.mark.parametrize("shift", [10**18, -10 * MINUTE, 10 * MINUTE])
async def test_trades_of_another_time_are_not_kept(binance: Night, monkeypatch: pytest.MonkeyPatch, shift: int) -> None:
    """Else they would lie in another day for good; and of some times there is no day at all."""
    binance.record("primary", "BTC-USDT", range(20, 60))
    venue = exchange("binance")
    past = venue.rest.trades
    assert past is not None

    def shifted(body: bytes, received: int) -> list[Trade]:
        told = past.parse(body, received)
        return [structs.replace(trade, timestamp=trade.timestamp + shift) for trade in told]

    monkeypatch.setattr(
        healing_of_day,
        "exchange_of",
        lambda name: replace(venue, rest=replace(venue.rest, trades=replace(past, parse=shifted))),
    )
    market = (await binance.heal()).markets["BTC-USDT"]
    assert (market.missing, market.healed) == (40, 0)
    assert "far from its neighbours" in (market.why or "")
    assert binance.healed("BTC-USDT") == []


async def test_a_store_that_does_not_answer_is_an_error(binance: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: Store, key: str, content: bytes) -> bool:
        raise StorageUnavailableError("the store is away")

    binance.record("primary", "BTC-USDT", range(20, 60))
    monkeypatch.setattr(Store, "create", away)
    with pytest.raises(StorageUnavailableError):
        await binance.heal()


async def test_a_neighbour_that_cannot_be_read_does_not_stop_healing(binance: Night) -> None:
    binance.record("primary", "BTC-USDT", range(20, 60))
    store = binance.systems["primary"]
    for found in list(store.objects("trades")):
        store.replace(found.key, b"broken")
    assert (await binance.heal()).markets == {"BTC-USDT": BackfilledMarket(holes=1, missing=40, healed=40)}


def test_an_exchange_without_past_trades_is_not_healed_and_says_so(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    healer = Backfiller({"primary": store}, store, lambda venue: LocalRateLimiter(venue.id), httpx.Client)
    assert healer("bitmex", DAY) == BackfillResult({}, "bitmex serves no past trades by id")


def test_a_folder_whose_name_is_no_market_is_named_and_stops_no_other(tmp_path: Path) -> None:
    asked: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["instrument_name"])
        return httpx.Response(400, text="no")

    store = open_store(str(tmp_path))
    midnight = int(datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp()) * SECOND
    for market in ("BTC-USD-PERP", "stray"):
        for numbers in (range(1, 10), range(12, 20)):
            times = ((number, midnight + number) for number in numbers)
            trades = [Trade(f"T-{number}", time, "buy", "1", "1", time, number) for number, time in times]
            store_trades(exchange("deribit"), market, trades, store)

    def client() -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(refuse))

    healing = Backfiller(
        {"primary": store}, open_store(f"{tmp_path}/rest"), lambda venue: LocalRateLimiter(venue.id), client
    )("deribit", DAY)
    assert healing.why is None
    assert healing.markets["stray"] == BackfilledMarket(
        1, 2, 0, "'stray' is not a market of deribit: not enough values to unpack (expected at least 2, got 1)"
    )
    assert asked == [exchange("deribit").symbol("BTC-USD-PERP")]
    assert healing.markets["BTC-USD-PERP"].missing == 2
