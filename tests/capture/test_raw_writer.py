"""Raw frames: kept as they came, and played again they end in the very same objects."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve

from booktape.capture.connection import Connection
from booktape.capture.ingest import ingest_capture
from booktape.capture.pipeline import Pipeline
from booktape.capture.raw_writer import MAX_BYTES, RawFrames
from booktape.capture.reingest import reingest
from booktape.capture.socket import open_socket
from booktape.capture.subscriptions import routes, subscriptions
from booktape.capture.timeouts import ConnectRateLimiter, Timeouts
from booktape.exchanges import exchange
from booktape.exchanges.spec import Subscription
from booktape.model import codec
from booktape.model.gap import GapCause
from booktape.model.records import MINUTE, SECOND
from booktape.rest.books import fetch_book
from booktape.store.layout import InvalidKeyError, RawKey, batch_key, parse_raw_key, raw_prefix
from booktape.store.objects import Store, open_store
from booktape.store.raw_frames import InvalidRawFramesError, NoRawFramesError, decode_raw, raw_runs
from sandbox.exchanges import Simulation, simulated
from sandbox.exchanges.faults import Drop
from tests.waiting import FOR_EVER
from tests.waiting import run as in_time_of_its_own
from tests.waiting import soon as until

QUICK = Timeouts(
    idle=FOR_EVER,
    idle_without_heartbeat=FOR_EVER,
    stable=0.1,
    settle=0.1,
    overlap=0.5,
    first_pause=0.02,
    longest_pause=0.1,
)
MARKETS = {"binance": "BTC-USDT", "coinbase": "BTC-USD", "kraken": "BTC-USD"}
STARTED = 1_723_161_253_937_000
AT = 1_723_161_540 * SECOND  # 2024-08-08 23:59:00


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "recorded").as_uri())


@pytest.fixture
def mended(tmp_path: Path) -> Store:
    return open_store((tmp_path / "mended").as_uri())


def keeping(store: Store, exchange_id: str = "binance") -> RawFrames:
    def keep(key: str, lines: bytearray) -> None:
        assert store.create(key, codec.compress(lines))

    return RawFrames(exchange_id, "a", STARTED, keep)


def content(store: Store) -> dict[str, bytes]:
    """Every object but for raw frames."""
    return {item.key: store.read(item.key) for item in store.objects("") if not item.key.startswith("raw/")}


def raw_keys(store: Store, exchange_id: str) -> list[str]:
    return sorted(item.key for item in store.objects(raw_prefix(exchange_id)))


class Told:
    """What a link tells."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def connected(self, connection: Connection) -> None:
        self.events.append("connected")

    def disconnected(self, connection: Connection, reason: str, pause: float) -> None:
        self.events.append("disconnected")

    def subscribed(self, subscriptions: Sequence[Subscription]) -> None:
        self.events.append("subscribed")

    def handed_over(self, connection: Connection, reason: str | None) -> None:
        self.events.append(reason or "handed over")


TRADE_FRAME = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161540001,"s":"BTCUSDT","t":%d,"p":"1.0","q":"1.0",'
    '"T":%d,"m":true,"M":true}}'
)
QUOTE_FRAME = '{"stream":"btcusdt@bookTicker","data":{"u":%d,"s":"BTCUSDT","b":"1.0","B":"1.0","a":"2.0","A":"1.0"}}'

Scene = Callable[[Simulation, Connection, Told], Awaitable[None]]


def record(venue_id: str, store: Store, scene: Scene, *, lifetime: float | None = None) -> list[str]:
    """Record a simulated exchange and its raw frames while a scene is played. Returns what the link told."""
    venue = exchange(venue_id)

    async def run() -> list[str]:
        told = Told()
        raw = keeping(store, venue_id)
        pipeline = Pipeline(
            venue, lambda batch: _create(store, str(batch_key(batch, venue_id)), batch.lines), lambda gap: None
        )
        async with simulated(venue_id, [MARKETS[venue_id]], rate=200, levels=50) as simulation:
            (route,) = routes(venue, subscriptions(venue, [venue.symbol(MARKETS[venue_id])]))
            url = simulation.routes["primary"].ws + {"binance": "/stream", "kraken": "/v2"}.get(venue_id, "")
            timeouts = replace(QUICK, lifetime=lifetime)
            connection = Connection(
                venue, url, route, pipeline, told, ConnectRateLimiter(0), timeouts=timeouts, raw=raw
            )
            running = asyncio.ensure_future(connection.run())
            await until(lambda: pipeline.frames > 50)
            await scene(simulation, connection, told)
            frames = pipeline.frames
            await until(lambda: pipeline.frames > frames + 50)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        pipeline.close()
        raw.close()
        return told.events

    return in_time_of_its_own(run())


def _create(store: Store, key: str, lines: bytes | bytearray) -> None:
    store.create(key, codec.compress(lines))


async def dropped(simulation: Simulation, connection: Connection, told: Told) -> None:
    simulation.faults.inject(Drop())
    await until(lambda: told.events.count("connected") >= 2)


async def asked_anew(simulation: Simulation, connection: Connection, told: Told) -> None:
    connection.resubscribe(list(connection.subscriptions)[:1])


async def handed_over(simulation: Simulation, connection: Connection, told: Told) -> None:
    await until(lambda: told.events.count("handed over") >= 2)


@pytest.mark.parametrize("venue", sorted(MARKETS))
@pytest.mark.parametrize("scene", [dropped, asked_anew, handed_over])
def test_raw_frames_played_again_are_byte_for_byte_what_was_recorded(
    venue: str, scene: Scene, store: Store, mended: Store
) -> None:
    told = record(venue, store, scene, lifetime=0.8 if scene is handed_over else None)
    assert "connected" in told
    summary = reingest(store, exchange(venue), mended)
    recorded = content(store)
    assert len(recorded) >= 2
    assert summary.objects == summary.created == len(recorded)
    assert content(mended) == recorded


def test_a_raw_object_is_a_capture(store: Store, mended: Store, tmp_path: Path) -> None:
    async def nothing(simulation: Simulation, connection: Connection, told: Told) -> None:
        pass

    record("binance", store, nothing)
    (key, *_) = raw_keys(store, "binance")
    path = tmp_path / "one.jsonl.gz"
    path.write_bytes(store.read(key))
    with gzip.open(path, "rt") as file:
        lines = [json.loads(line) for line in file]
    assert {line["kind"] for line in lines} <= {"ws", "mark"}
    (subscribed, *_) = [json.loads(line["data"]) for line in lines if line["kind"] == "ws" and line["dir"] == "out"]
    assert subscribed["method"] == "SUBSCRIBE"
    assert ingest_capture(path, exchange("binance"), mended).records["trades"]["BTC-USDT"] > 0


def test_frames_are_kept_as_the_venue_sent_them(store: Store) -> None:
    connection = keeping(store).connection(3, "wss://venue/ws")
    frames: list[tuple[str | bytes, int]] = [('{"a":"ü \\" 1"}', AT), (b'{"b":2}', AT + 1), (b"\x1f\x8b\xff", AT + 2)]
    for frame, time in frames:
        assert connection.received(frame, time) == (frame.encode() if isinstance(frame, str) else frame)
    connection.sent(b"ping", AT + 3)
    connection.mark("disconnected", AT + 4)
    (key,) = raw_keys(store, "binance")
    assert key == f"raw/exchange=binance/year=2024/month=08/day=08/235900_a_{STARTED}_3-0_000000.jsonl.gz"
    lines = decode_raw(key, store.read(key))
    assert [line.message() for line in lines[:3]] == [frame for frame, _ in frames]
    told = [(line.t, line.kind, line.dir, line.url) for line in lines]
    assert told == [
        (AT * 1_000, "ws", "in", "wss://venue/ws"),
        (AT * 1_000 + 1_000, "ws", "in", "wss://venue/ws"),
        (AT * 1_000 + 2_000, "ws", "in", "wss://venue/ws"),
        (AT * 1_000 + 3_000, "ws", "out", "wss://venue/ws"),
        (AT * 1_000 + 4_000, "mark", "in", ""),
    ]


def test_a_text_frame_that_is_no_utf8_is_kept_and_ends_nothing() -> None:
    """It is for the parser to refuse it, with raw frames as without."""
    frames = [b"\xff\x00", "plain", b"binary", "\u00fc"]

    async def send(socket: ServerConnection) -> None:
        await socket.send(b"\xff\x00", text=True)
        await socket.send([b"pl", b"ain"], text=True)
        await socket.send(b"binary")
        await socket.send("\u00fc")
        await socket.wait_closed()

    async def listen() -> list[str | bytes]:
        async with serve(send, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            socket = await open_socket(f"ws://127.0.0.1:{port}", as_sent=True)
            heard = [await socket.receive_as_sent() for _ in frames]
            await socket.close()
            return heard

    assert in_time_of_its_own(listen()) == frames


def test_what_an_object_held_that_was_lost_is_told_as_an_interruption(store: Store, mended: Store) -> None:
    """The ids of best bids and asks jump anyway: nothing else would show it."""
    raw = keeping(store)
    connection = raw.connection(0, "wss://x")
    for minute in (1, 2, 3):
        time = AT + minute * MINUTE
        connection.received(TRADE_FRAME % (minute, time // 1000), time)
        connection.received(QUOTE_FRAME % minute, time + 1)
    raw.close()
    whole = reingest(store, exchange("binance"), mended)
    store.delete(raw_keys(store, "binance")[1])
    torn = reingest(store, exchange("binance"), mended)
    assert whole.gaps == []
    assert [(gap.data_type, gap.cause) for gap in torn.gaps] == [
        ("trades", GapCause.LOST), ("quotes", GapCause.INTERRUPTED),
    ]  # fmt: skip


def test_what_comes_before_a_damaged_object_is_recorded(store: Store, mended: Store) -> None:
    raw = keeping(store)
    connection = raw.connection(0, "wss://x")
    connection.received(TRADE_FRAME % (1, AT // 1000), AT)
    connection.received(TRADE_FRAME % (2, AT // 1000 + 60_000), AT + MINUTE)
    raw.close()
    last = raw_keys(store, "binance")[-1]
    store.delete(last)
    store.create(last, b"no gzip")
    with pytest.raises(InvalidRawFramesError, match=last):
        reingest(store, exchange("binance"), mended)
    assert len(content(mended)) == 1


def test_objects_end_with_the_minute_or_when_they_are_full(store: Store) -> None:
    raw = keeping(store)
    connection = raw.connection(0, "")
    connection.received("first", AT + MINUTE - 1)
    connection.received("x" * (MAX_BYTES + 1), AT + MINUTE)
    connection.received("third", AT + MINUTE + 1)
    assert len(raw_keys(store, "binance")) == 2
    raw.cut(AT + 2 * MINUTE - 1)
    assert len(raw_keys(store, "binance")) == 2
    raw.cut(AT + 2 * MINUTE)
    days = [parse_raw_key(key) for key in raw_keys(store, "binance")]
    assert [(key.number, key.start) for key in days] == [
        (0, AT + MINUTE - SECOND),
        (1, AT + MINUTE),
        (2, AT + MINUTE),
    ]


def test_runs_are_told_apart_and_days_can_be_chosen(store: Store) -> None:
    def kept(exchange_id: str, instance: str, run: int, start: int) -> None:
        store.create(str(RawKey(run, instance, "0-0", 0, start, exchange_id)), codec.compress(b""))

    day_after = AT + MINUTE
    kept("binance", "b", 5, AT)
    kept("binance", "a_1", 4, AT)
    kept("binance", "a_1", 4_000, day_after)
    kept("kraken", "a", 1, AT)
    assert [(run.instance, run.run) for run in raw_runs(store, "binance")] == [("a_1", 4), ("b", 5), ("a_1", 4_000)]
    last = parse_raw_key(str(RawKey(4_000, "a_1", "0-0", 0, day_after, "binance")))
    assert raw_runs(store, "binance", first=date(2024, 8, 9)) == [("a_1", 4_000, (last,))]
    with pytest.raises(NoRawFramesError, match=r"--raw"):
        raw_runs(store, "binance", last=date(2024, 8, 7))


def test_rest_books_are_kept_and_taken_again(store: Store, mended: Store) -> None:
    class Free:
        def take(self, weight: int) -> None: ...
        def ban(self, seconds: float) -> None: ...

    body = b'{"lastUpdateId":7,"bids":[["1.0","2"]],"asks":[]}'
    answer = httpx.Response(200, content=body, headers={"Date": "Thu, 08 Aug 2024 23:59:00 GMT"})
    client = httpx.Client(transport=httpx.MockTransport(lambda request: answer))
    fetch_book(exchange("binance"), "BTC-USDT", store, Free(), client, keep_raw=True)
    reingest(store, exchange("binance"), mended)
    assert len(content(store)) == 1
    assert content(mended) == content(store)


def test_what_is_no_raw_object_is_refused() -> None:
    with pytest.raises(InvalidKeyError):
        parse_raw_key("raw/exchange=binance/year=2024/month=08/day=08/235900_a_1_3_0.jsonl.gz")
    with pytest.raises(InvalidRawFramesError, match=r"some\.key"):
        decode_raw("some.key", codec.compress(b'{"kind":"other"}\n'))
