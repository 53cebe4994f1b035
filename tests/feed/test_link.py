"""Links against simulated exchanges over real sockets: what was sent is recorded, or a gap says what is not."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from booktape.core import codec
from booktape.core.records import BOOK_UPDATES, TRADES, BookUpdate, Trade
from booktape.core.streams import Batch
from booktape.exchanges import exchange
from booktape.exchanges.spec import Subscription
from booktape.feed.link import Link, Patience, Pauses
from booktape.feed.plan import plan
from booktape.recorder import GapSeen, Recorder
from sandbox.exchanges import Simulation, simulated
from sandbox.exchanges.faults import CorruptChecksum, Drop, Garbage, Refuse, Stall, Withhold

QUICK = Patience(idle=0.4, first_pause=0.02, longest_pause=0.1)
MARKETS = {"binance": "BTC-USDT", "coinbase": "BTC-USD", "kraken": "BTC-USD"}


@dataclass
class Collected:
    """One collector's link, what it recorded and what it told."""

    recorder: Recorder
    batches: list[Batch]
    gaps: list[GapSeen]
    told: list[str] = field(default_factory=list)
    link: Link | None = None

    def connected(self, link: Link) -> None:
        self.told.append("connected")

    def disconnected(self, link: Link, reason: str, pause: float) -> None:
        self.told.append(reason)

    def records(self, data_type: str) -> list[Trade | BookUpdate]:
        return [
            record
            for batch in self.batches
            if batch.data_type == data_type
            for record in codec.decode(data_type, codec.compress(batch.lines))
        ]  # type: ignore[return-value]  # asked for trades and books only


def collector(simulation: Simulation) -> Collected:
    venue = exchange(simulation.exchange)
    batches: list[Batch] = []
    gaps: list[GapSeen] = []
    collected = Collected(Recorder(venue, batches.append, gaps.append), batches, gaps)
    (subscriptions,) = plan(venue, [MARKETS[venue.id]])
    url = simulation.routes["primary"].ws + {"binance": "/stream", "kraken": "/v2"}.get(venue.id, "")
    collected.link = Link(venue, url, subscriptions, collected.recorder, collected, patience=QUICK)
    return collected


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that must happen."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


Scene = Callable[[Simulation, Collected], Awaitable[None]]


def play(venue: str, scene: Scene, *, rate: float = 200.0) -> tuple[Collected, list[dict[str, object]]]:
    """Record a simulated exchange while a scene is played; returns what was recorded and what was sent."""

    async def run() -> tuple[Collected, list[dict[str, object]]]:
        async with simulated(venue, [MARKETS[venue]], rate=rate, levels=50) as simulation:
            collected = collector(simulation)
            assert collected.link is not None
            running = asyncio.ensure_future(collected.link.run())
            await until(lambda: collected.recorder.frames > 20)
            await scene(simulation, collected)
            simulation.finish()
            await asyncio.sleep(0.1)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            collected.recorder.close()
            return collected, list(simulation.ledger.read())

    return asyncio.run(run())


async def a_while(simulation: Simulation, collected: Collected) -> None:
    await asyncio.sleep(0.5)


def sent_ids(ledger: list[dict[str, object]], since: object) -> list[object]:
    return [entry["id"] for entry in ledger if entry["type"] == "trade" and entry["id"] >= since]  # type: ignore[operator]


@pytest.mark.parametrize("venue", sorted(MARKETS))
def test_from_the_first_record_on_everything_that_was_sent_is_recorded(venue: str) -> None:
    collected, ledger = play(venue, a_while)
    assert (collected.gaps, collected.recorder.not_understood, collected.recorder.refused) == ([], {}, {})
    trades = [trade for trade in collected.records(TRADES) if isinstance(trade, Trade)]
    assert len(trades) > 5
    assert [trade.id for trade in trades] == sent_ids(ledger, trades[0].id)
    books = [bytes(update.bids) for update in collected.records(BOOK_UPDATES) if isinstance(update, BookUpdate)]
    sent = [codec.json.encode(entry["bids"]) for entry in ledger if entry["type"] == "book"]
    assert len(books) > 5
    assert books == sent[-len(books) :]
    checked, failed = collected.recorder.checksums()
    assert (checked > 0, failed) == (venue == "kraken", 0)


def test_a_dropped_connection_is_made_again_and_the_ids_name_what_it_cost() -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        simulation.faults.inject(Drop())
        await until(lambda: collected.told.count("connected") == 2)
        await asyncio.sleep(0.3)

    collected, ledger = play("binance", scene)
    trades = [trade.id for trade in collected.records(TRADES)]  # type: ignore[union-attr]
    missing = [gap for gap in collected.gaps if gap.data_type == TRADES]
    lost = [i for gap in missing for i in range(gap.first, gap.last + 1)]
    assert sorted([*trades, *lost]) == sent_ids(ledger, trades[0])


def test_a_withheld_trade_is_one_gap_that_names_it() -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        simulation.faults.inject(Withhold(stream="btcusdt@trade", count=2))
        await until(lambda: bool(collected.gaps))

    collected, _ = play("binance", scene)
    (gap,) = collected.gaps
    assert (gap.data_type, gap.market, gap.last - gap.first + 1) == (TRADES, "BTC-USDT", 2)


def test_a_withheld_frame_of_coinbase_shows_in_the_connections_counter() -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        simulation.faults.inject(Withhold(stream="level2:*", count=1))
        await until(lambda: bool(collected.gaps))

    collected, _ = play("coinbase", scene)
    assert [(gap.data_type, gap.market) for gap in collected.gaps] == [("*", "*")]
    assert collected.gaps[0].first == collected.gaps[0].last


def test_a_wrong_checksum_is_a_gap_and_a_new_subscription_brings_a_snapshot_to_check_by_again() -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        simulation.faults.inject(CorruptChecksum(count=1))
        await until(lambda: bool(collected.gaps))
        assert collected.link is not None
        checked = collected.recorder.checksums()[0]
        collected.link.resubscribe([Subscription("book", "BTC/USD")])
        await until(lambda: collected.recorder.checksums()[0] > checked + 5)

    collected, _ = play("kraken", scene)
    checksum, interruption = collected.gaps
    assert (checksum.reconnect, interruption.reconnect) == (False, True)
    assert collected.recorder.checksums()[1] == 1


def test_a_venue_that_goes_silent_is_left_for_a_new_connection() -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        simulation.faults.inject(Stall(seconds=1.0))
        await until(lambda: collected.told.count("connected") >= 2)

    collected, _ = play("binance", scene)
    assert "no frame for 0.4 s" in collected.told


def test_a_venue_that_refuses_is_asked_again_until_it_lets_us_in() -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        simulation.faults.inject(Refuse(seconds=0.5))
        simulation.faults.inject(Drop())
        await until(lambda: collected.told.count("connected") == 2)

    collected, _ = play("binance", scene)
    assert any("does not answer" in reason for reason in collected.told)


@pytest.mark.parametrize("kind", ["text", "json", "binary"])
def test_nonsense_on_the_wire_is_counted_and_costs_nothing(kind: str) -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        simulation.faults.inject(Garbage(kind=kind))  # type: ignore[arg-type]
        await until(lambda: bool(collected.recorder.not_understood))

    collected, _ = play("binance", scene)
    assert collected.recorder.not_understood.total() == 1
    assert (collected.gaps, collected.told) == ([], ["connected"])


def test_pauses_double_up_to_a_limit_with_jitter_and_begin_anew_after_success() -> None:
    pauses = Pauses(Patience(first_pause=1.0, longest_pause=10.0), random_share=lambda: 1.0)
    assert [pauses.next() for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    pauses.reset()
    assert pauses.next() == 1.0
    assert Pauses(Patience(first_pause=1.0), random_share=lambda: 0.0).next() == 0.5
