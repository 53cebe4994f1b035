"""Links against simulated exchanges over real sockets: what was sent is recorded, or a gap says what is not."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from msgspec import json

from booktape.capture.connection import Connection
from booktape.capture.pipeline import Pipeline
from booktape.capture.subscriptions import routes, subscriptions
from booktape.capture.timeouts import Backoff, ConnectRateLimiter, Timeouts
from booktape.exchanges import exchange
from booktape.exchanges.spec import Exchange, Leaving, Output, Parse, Reply, Subscription, UrlRequest
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.gap import Gap, GapCause
from booktape.model.records import BOOK_UPDATES, QUOTES, TRADES, BookUpdate, Record, Trade
from sandbox.exchanges import Simulation, simulated
from sandbox.exchanges.faults import CorruptChecksum, Drop, Garbage, Refuse, Stall, Withhold
from tests.waiting import FOR_EVER
from tests.waiting import run as in_time_of_its_own
from tests.waiting import soon as until

QUICK = Timeouts(
    idle=FOR_EVER, idle_without_heartbeat=FOR_EVER, stable=0.1, settle=0.1, first_pause=0.02, longest_pause=0.1
)
MARKETS = {"binance": "BTC-USDT", "coinbase": "BTC-USD", "kraken": "BTC-USD"}


@dataclass
class Collected:
    """One collector's link, what it recorded and what it told."""

    pipeline: Pipeline
    batches: list[Batch]
    gaps: list[Gap]
    told: list[str] = field(default_factory=list)
    connection: Connection | None = None

    def connected(self, connection: Connection) -> None:
        self.told.append("connected")

    def disconnected(self, connection: Connection, reason: str, pause: float) -> None:
        self.told.append(reason)

    def subscribed(self, subscriptions: Sequence[Subscription]) -> None:
        self.told.append("subscribed")

    def handed_over(self, connection: Connection, reason: str | None) -> None:
        self.told.append(reason or "handed over")

    def records(self, data_type: str) -> list[Record]:
        return [
            record
            for batch in self.batches
            if batch.data_type == data_type
            for record in codec.decode_records(data_type, codec.compress(batch.lines))
        ]


def collector(simulation: Simulation, venue: Exchange, timeouts: Timeouts) -> Collected:
    batches: list[Batch] = []
    gaps: list[Gap] = []
    collected = Collected(Pipeline(venue, batches.append, gaps.append), batches, gaps)
    (route,) = routes(venue, subscriptions(venue, [venue.symbol(MARKETS[venue.id])]))
    url = simulation.routes["primary"].ws + {"binance": "/stream", "kraken": "/v2"}.get(venue.id, "")
    collected.connection = Connection(
        venue, url, route, collected.pipeline, collected, ConnectRateLimiter(0), timeouts=timeouts
    )
    return collected


Scene = Callable[[Simulation, Collected], Awaitable[None]]


def play(
    venue: str,
    scene: Scene,
    *,
    rate: float = 200.0,
    timeouts: Timeouts = QUICK,
    markets: Sequence[str] = (),
    venue_of: Callable[[Exchange], Exchange] = lambda venue: venue,
) -> tuple[Collected, list[dict[str, Any]]]:
    """Record a simulated exchange while a scene is played; returns what was recorded and what was sent."""

    async def run() -> tuple[Collected, list[dict[str, Any]]]:
        async with simulated(venue, markets or [MARKETS[venue]], rate=rate, levels=50) as simulation:
            collected = collector(simulation, venue_of(exchange(venue)), timeouts)
            assert collected.connection is not None
            running = asyncio.ensure_future(collected.connection.run())
            await until(lambda: collected.pipeline.frames > 20)
            await scene(simulation, collected)
            simulation.finish()
            await simulation.read_by_all()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            collected.pipeline.close()
            return collected, list(simulation.ledger.read())

    return in_time_of_its_own(run())


async def a_while(simulation: Simulation, collected: Collected) -> None:
    await more_frames(collected, 200)


async def more_frames(collected: Collected, number: int = 50) -> None:
    wanted = collected.pipeline.frames + number
    await until(lambda: collected.pipeline.frames >= wanted)


def trade_ids(collected: Collected) -> list[int]:
    ids = [trade.id for trade in collected.records(TRADES) if isinstance(trade, Trade)]
    numbers = [number for number in ids if isinstance(number, int)]
    assert numbers == ids, "these venues number their trades"
    return numbers


def sent_ids(ledger: list[dict[str, Any]], since: int | str) -> list[int]:
    return [entry["id"] for entry in ledger if entry["type"] == "trade" and entry["id"] >= since]


@pytest.mark.parametrize("venue", sorted(MARKETS))
def test_from_the_first_record_on_everything_that_was_sent_is_recorded(venue: str) -> None:
    collected, ledger = play(venue, a_while)
    assert (collected.gaps, collected.pipeline.unknown_frames, collected.pipeline.refused) == ([], {}, {})
    trades = [trade for trade in collected.records(TRADES) if isinstance(trade, Trade)]
    assert len(trades) > 5
    assert [trade.id for trade in trades] == sent_ids(ledger, trades[0].id)
    books = [bytes(update.bids) for update in collected.records(BOOK_UPDATES) if isinstance(update, BookUpdate)]
    sent = [json.encode(entry["bids"]) for entry in ledger if entry["type"] == "book"]
    assert len(books) > 5
    assert books == sent[-len(books) :]
    checked, failed = collected.pipeline.checksums()
    assert (checked > 0, failed) == (venue == "kraken", 0)


def test_a_dropped_connection_is_made_again_and_the_ids_name_what_it_cost() -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        simulation.faults.inject(Drop())
        await until(lambda: collected.told.count("connected") == 2)
        await more_frames(collected)

    collected, ledger = play("binance", scene)
    trades = trade_ids(collected)
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
        assert collected.connection is not None
        checked = collected.pipeline.checksums()[0]
        collected.connection.resubscribe([Subscription("book", "BTC/USD")])
        await until(lambda: collected.pipeline.checksums()[0] > checked + 5)

    collected, _ = play("kraken", scene)
    checksum, interruption = collected.gaps
    assert (checksum.cause, interruption.cause) == (GapCause.CHECKSUM, GapCause.INTERRUPTED)
    assert collected.pipeline.checksums()[1] == 1


def test_a_venue_that_goes_silent_is_left_for_a_new_connection() -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        simulation.faults.inject(Stall(seconds=FOR_EVER))
        await until(lambda: collected.told.count("connected") >= 2)

    collected, _ = play("binance", scene, timeouts=replace(QUICK, idle=0.4, idle_without_heartbeat=0.4))
    assert "no frame for 0.4 s" in collected.told


def test_a_venue_that_refuses_is_asked_again_until_it_lets_us_in() -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        simulation.faults.inject(Refuse(seconds=FOR_EVER))
        simulation.faults.inject(Drop())
        await until(lambda: any("does not answer" in reason for reason in collected.told))
        assert collected.told.count("connected") == 1
        simulation.faults.clear()
        await until(lambda: collected.told.count("connected") == 2)

    play("binance", scene)


@pytest.mark.parametrize("kind", ["text", "json", "binary"])
def test_nonsense_on_the_wire_is_counted_and_costs_nothing(kind: str) -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        simulation.faults.inject(Garbage(kind=kind))  # type: ignore[arg-type]  # a parameter
        await until(lambda: bool(collected.pipeline.unknown_frames))

    collected, _ = play("binance", scene)
    assert collected.pipeline.unknown_frames.total() == 1
    assert (collected.gaps, collected.told) == ([], ["connected"])


def test_pauses_double_up_to_a_limit_with_jitter_and_begin_anew_after_success() -> None:
    pauses = Backoff(Timeouts(first_pause=1.0, longest_pause=10.0), random_share=lambda: 1.0)
    assert [pauses.next() for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    pauses.reset()
    assert pauses.next() == 1.0
    assert Backoff(Timeouts(first_pause=1.0), random_share=lambda: 0.0).next() == 0.5


SHORT_LIVED = replace(QUICK, lifetime=0.5, overlap=0.6)


@pytest.mark.parametrize("venue", sorted(MARKETS))
def test_connections_replace_each_other_with_no_gap_and_no_duplicate(venue: str) -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        await until(lambda: collected.told.count("handed over") >= 4)

    collected, ledger = play(venue, scene, timeouts=SHORT_LIVED)
    # Coinbase's quotes have no id and no engine time: they cannot be joined, and that is told.
    assert {(gap.data_type, gap.cause) for gap in collected.gaps} <= {(QUOTES, GapCause.INTERRUPTED)}
    assert (bool(collected.gaps), collected.pipeline.unknown_frames) == (venue == "coinbase", {})
    assert set(collected.told) == {"connected", "handed over"}
    trades = trade_ids(collected)
    assert trades == sent_ids(ledger, trades[0])
    books = [bytes(update.bids) for update in collected.records(BOOK_UPDATES) if isinstance(update, BookUpdate)]
    sent = [json.encode(entry["bids"]) for entry in ledger if entry["type"] == "book"]
    assert books == sent[-len(books) :]
    checked, failed = collected.pipeline.checksums()
    assert (checked > 0, failed) == (venue == "kraken", 0)


def test_a_venue_that_lets_nobody_in_any_more_keeps_the_old_connection() -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        simulation.faults.inject(Refuse(seconds=FOR_EVER))
        await until(lambda: any("does not answer" in told for told in collected.told))
        await more_frames(collected)

    collected, ledger = play("binance", scene, timeouts=SHORT_LIVED)
    trades = trade_ids(collected)
    assert trades == sent_ids(ledger, trades[0])
    assert collected.told.count("connected") == 1


def test_streams_are_added_and_let_go_on_a_living_connection() -> None:
    eth = [Subscription("trade", "ETHUSDT")]

    async def scene(simulation: Simulation, collected: Collected) -> None:
        assert collected.connection is not None
        collected.connection.add(eth)
        await until(lambda: (TRADES, "ETHUSDT") in collected.pipeline.batchers)
        collected.connection.remove(eth)
        await until(lambda: simulation.server.subscribers("ethusdt@trade") == 0)
        await simulation.read_by_all()
        before = collected.pipeline.batchers[TRADES, "ETHUSDT"].appended
        await more_frames(collected)
        assert collected.pipeline.batchers[TRADES, "ETHUSDT"].appended == before

    collected, _ = play("binance", scene, markets=["BTC-USDT", "ETH-USDT"])
    assert collected.told == ["connected", "subscribed"]
    assert collected.gaps == []


def wanting(venue: Exchange, *first: Output, url_request: UrlRequest | None = None) -> Exchange:
    """The venue, whose first frame on each connection wants something of the connection itself."""

    def parser() -> Parse:
        parse, wants = venue.parser(), [first]
        return lambda frame, received: [*(wants.pop() if wants else ()), *parse(frame, received)]

    return replace(venue, parser=parser, url_request=url_request)


def test_what_a_venue_wants_to_be_answered_is_sent_before_waiting_subscriptions() -> None:
    """A Binance that pings: our answer is a request that it refuses, so we see that it was sent, and just once."""
    answer = b'{"method":"PONG","id":99}'

    async def scene(simulation: Simulation, collected: Collected) -> None:
        await until(lambda: bool(collected.pipeline.refused))

    collected, _ = play("binance", scene, venue_of=lambda venue: wanting(venue, Reply(answer)))
    assert collected.pipeline.refused.total() == 1


def test_a_venue_that_announces_its_end_is_left_for_a_new_connection_before_that() -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        await until(lambda: "handed over" in collected.told)

    collected, ledger = play("binance", scene, venue_of=lambda venue: wanting(venue, Leaving("maintenance")))
    trades = trade_ids(collected)
    assert (trades, collected.gaps) == (sent_ids(ledger, trades[0]), [])


def test_where_streams_cannot_be_begun_anew_alone_another_connection_takes_over() -> None:
    async def scene(simulation: Simulation, collected: Collected) -> None:
        assert collected.connection is not None
        collected.connection.resubscribe([Subscription("trade", "BTCUSDT")])
        await until(lambda: "handed over" in collected.told)

    collected, _ = play("binance", scene, venue_of=lambda venue: replace(venue, unsubscribe=None))
    assert collected.gaps == []


class Addresses(BaseHTTPRequestHandler):
    """Tells where to connect, as a venue does that gives out tokens; the first time it breaks."""

    told: ClassVar[list[bytes]] = []
    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.asked.append(self.path)
        answer = self.told.pop(0)
        self.send_response(200 if answer else 503)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_a_venue_that_gives_out_addresses_is_asked_for_one_before_each_connection() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Addresses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        rest = f"http://127.0.0.1:{server.server_port}"

        async def run() -> Collected:
            async with simulated("binance", ["BTC-USDT"], rate=200.0, levels=50) as simulation:
                there = simulation.routes["primary"].ws
                Addresses.told[:] = [b"", b"{}", json.encode({"url": f"{there}/stream?token=1"})]
                venue = exchange("binance")
                venue = replace(
                    venue,
                    rest=replace(venue.rest, url=rest),
                    url_request=UrlRequest("/bullet", lambda answer: str(json.decode(answer)["url"])),
                )
                collected = collector(simulation, venue, QUICK)
                (route,) = routes(venue, subscriptions(venue, ["BTCUSDT"]))
                connection = Connection(
                    venue,
                    venue.websocket_url,
                    route,
                    collected.pipeline,
                    collected,
                    ConnectRateLimiter(0),
                    timeouts=QUICK,
                )
                running = asyncio.ensure_future(connection.run())
                await until(lambda: collected.pipeline.frames > 20)
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                return collected

        collected = in_time_of_its_own(run())
        server.shutdown()
    assert Addresses.asked == ["/bullet"] * 3
    assert [told.partition(" gives no address")[0] for told in collected.told] == [f"{rest}/bullet"] * 2 + ["connected"]
