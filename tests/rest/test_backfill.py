"""What no system has of a day's trades is fetched from the venue, as far as it has it, and kept like every record."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from booktape.model.records import identity
from booktape.model.timestamps import midnight as midnight_of
from booktape.rest.backfill_results import BackfilledMarket, BackfillResult
from booktape.rest.quota import QuotaAccount, Spent
from booktape.rest.rate_limits import RateLimiter
from tests.integrity.nights import DAY, MARKETS, Night, night

pytestmark = pytest.mark.anyio

MIDNIGHT = midnight_of(DAY + timedelta(days=1))
FORGOTTEN = "the venue does not have them any more"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def binance(tmp_path: Path) -> AsyncIterator[Night]:
    async with night("binance", tmp_path) as made:
        yield made


@pytest.mark.parametrize("venue", ["binance", "coinbase"])
async def test_what_neither_system_has_is_healed_and_identical_to_the_streams(venue: str, tmp_path: Path) -> None:
    first, second = MARKETS[venue]
    async with night(venue, tmp_path) as day:
        day.record("primary", first, range(20, 60), range(100, 130), range(200, 210))
        day.record("replica", first, range(40, 80), range(120, 150))
        day.record("primary", second, range(5, 7))
        day.record("replica", second, range(8, 9))
        healing = await day.heal()
        assert healing == BackfillResult({first: BackfilledMarket(holes=2, missing=30, healed=30)})
        sent = day.sent(first)
        assert [identity(trade) for trade in day.healed(first)] == [
            identity(trade) for trade in (*sent[40:60], *sent[120:130])
        ]
        assert day.healed(second) == []


async def test_kraken_has_the_same_trades_with_other_zeros(tmp_path: Path) -> None:
    async with night("kraken", tmp_path) as day:
        for market in MARKETS["kraken"]:
            day.record("primary", market, range(40, 60))
        healing = await day.heal()
        assert healing.markets == dict.fromkeys(MARKETS["kraken"], BackfilledMarket(holes=1, missing=20, healed=20))
        for market in MARKETS["kraken"]:
            expected, found = day.sent(market)[40:60], day.healed(market)
            told = [(t.id, t.timestamp, t.side, Decimal(t.price), t.amount) for t in found]
            assert told == [(t.id, t.timestamp, t.side, Decimal(t.price), t.amount) for t in expected]


@pytest.mark.parametrize("venue", ["binance", "coinbase", "kraken"])
async def test_a_hole_larger_than_an_answer_is_followed_to_its_end(venue: str, tmp_path: Path) -> None:
    market = MARKETS[venue][0]
    async with night(venue, tmp_path, events=7_500) as day:
        count = len(day.sent(market))
        assert count > 2_200
        day.record("primary", market, range(10, count - 10))
        healing = await day.heal()
        assert healing.markets == {market: BackfilledMarket(holes=1, missing=count - 20, healed=count - 20)}
        assert [trade.id for trade in day.healed(market)] == [trade.id for trade in day.sent(market)[10:-10]]


async def test_healing_again_writes_nothing_new(binance: Night) -> None:
    binance.record("primary", "BTC-USDT", range(20, 60), range(100, 130))
    await binance.heal()
    before = {found.key: found.modified for found in binance.rest.objects("")}
    assert before
    assert await binance.heal() == BackfillResult({})
    assert {found.key: found.modified for found in binance.rest.objects("")} == before


async def test_what_is_missing_over_midnight_lies_in_the_day_of_its_time(binance: Night) -> None:
    sent = binance.sent("BTC-USDT")
    midnight = next(number for number, trade in enumerate(sent) if trade.timestamp >= MIDNIGHT)
    binance.record("primary", "BTC-USDT", range(midnight - 5, midnight + 5))
    healing = await binance.heal()
    assert healing.markets == {"BTC-USDT": BackfilledMarket(holes=1, missing=10, healed=10)}
    assert {found.key.partition("/year=")[2][:21] for found in binance.rest.objects("")} == {
        "2026/month=11/day=20/", "2026/month=11/day=21/"
    }  # fmt: skip


async def test_a_venue_that_has_forgotten_the_trades_is_told(binance: Night) -> None:
    binance.record("primary", "BTC-USDT", range(20, 60))
    binance.simulation.venue.markets["BTC-USDT"].trades.clear()
    healing = await binance.heal()
    assert healing == BackfillResult({"BTC-USDT": BackfilledMarket(holes=1, missing=40, healed=0, why=FORGOTTEN)})
    assert list(binance.rest.objects("")) == []


async def test_what_the_venue_still_has_is_healed(binance: Night) -> None:
    binance.record("primary", "BTC-USDT", range(20, 60), range(70, 80))
    sent, trades = binance.sent("BTC-USDT"), binance.simulation.venue.markets["BTC-USDT"].trades
    for _ in range(50):
        trades.popleft()
    healing = await binance.heal()
    assert healing.markets == {"BTC-USDT": BackfilledMarket(holes=2, missing=50, healed=20, why=FORGOTTEN)}
    assert [trade.id for trade in binance.healed("BTC-USDT")] == [trade.id for trade in (*sent[50:60], *sent[70:80])]


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Deadly:
    """A limiter whose owner is killed once it has paid for so many requests."""

    requests: int

    def take(self, weight: int, /) -> None:
        self.requests -= 1
        if self.requests < 0:
            raise Killed

    def ban(self, seconds: float, /) -> None:
        raise AssertionError("nobody bans here")


@pytest.mark.parametrize("requests", range(4))
async def test_killed_in_the_middle_and_run_again_every_trade_is_healed_once(binance: Night, requests: int) -> None:
    cuts = [range(20, 60), range(70, 80), range(100, 140)]
    for market in MARKETS["binance"]:
        binance.record("primary", market, *cuts)
    limiter: RateLimiter = Deadly(requests)
    with pytest.raises(Killed):
        await binance.heal(rate_limiter=lambda venue: limiter)
    done = sum(len(binance.healed(market)) for market in MARKETS["binance"])
    assert done == (0, 40, 80, 90)[requests]
    assert (await binance.heal()).healed == 180 - done
    for market in MARKETS["binance"]:
        sent = binance.sent(market)
        assert [trade.id for trade in binance.healed(market)] == [sent[n].id for cut in cuts for n in cut]


async def test_a_night_asks_for_so_many_trades_and_the_next_one_for_the_rest(binance: Night) -> None:
    for market in MARKETS["binance"]:
        binance.record("primary", market, range(20, 60), range(70, 80))
    healing = await binance.heal(max_trades=45)
    why = "the night's quota of 45 trades is used up"
    part = BackfilledMarket(holes=2, missing=50, healed=40, why=why)
    assert healing == BackfillResult({"BTC-USDT": part, "ETH-USDT": part}, why)
    rest = BackfilledMarket(holes=1, missing=10, healed=10)
    assert await binance.heal(max_trades=45) == BackfillResult({"BTC-USDT": rest, "ETH-USDT": rest})


@pytest.mark.parametrize(
    ("lost", "max_trades", "healed"),
    [
        ((1_600, 20), 1_000, (1_000, 20)),
        ((1_600, 1_500), 2_000, (1_000, 1_000)),
    ],
)
async def test_a_night_too_short_fills_the_small_holes_and_gives_equal_parts_to_the_large_ones(
    tmp_path: Path, lost: tuple[int, int], max_trades: int, healed: tuple[int, int]
) -> None:
    """Binance gives a thousand trades an answer."""
    markets = MARKETS["binance"]
    async with night("binance", tmp_path, events=7_500) as day:
        for market, count in zip(markets, lost, strict=True):
            day.record("primary", market, range(20, 20 + count))
        found = (await day.heal(max_trades=max_trades)).markets
        assert [(found[market].missing, found[market].healed) for market in markets] == list(
            zip(lost, healed, strict=True)
        )


async def test_all_who_heal_for_one_night_share_what_it_may_ask_for(binance: Night) -> None:
    """Two sources of the exchange, or a try and the next one after it was killed."""
    accounts = binance.systems["primary"]
    for market in MARKETS["binance"]:
        binance.record("primary", market, range(20, 60), range(70, 80))
    limiter: RateLimiter = Deadly(1)
    with pytest.raises(Killed):
        await binance.heal("night 1", rate_limiter=lambda venue: limiter, quotas=accounts)
    second = await binance.heal("night 1", quotas=accounts, max_trades=45)
    third = await binance.heal("night 1", quotas=accounts, max_trades=45)
    assert [healing.healed for healing in (second, third)] == [10, 0]
    assert third.why == "the night's quota of 45 trades is used up"
    other = await binance.heal("night 2", quotas=accounts, max_trades=45)
    assert (other.healed, other.why) == (50, None)


async def test_all_who_heal_for_one_night_share_its_time(binance: Night) -> None:
    binance.record("primary", "BTC-USDT", range(20, 60))
    accounts = binance.systems["primary"]
    QuotaAccount(accounts, "binance", DAY, "night 1").keep(Spent(trades=1, seconds=899.0))
    QuotaAccount(accounts, "binance", DAY, "night 1").keep(Spent(trades=1, seconds=1.0))
    healing = await binance.heal("night 1", quotas=accounts)
    assert (healing.healed, healing.why) == (0, "the night's quota of 900 s is used up")
    assert (await binance.heal("night 2", quotas=accounts)).healed == 40
