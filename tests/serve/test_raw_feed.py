"""Recorded frames, sent again as they came."""

import asyncio
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from booktape.capture.raw_writer import RawFrames
from booktape.model import codec
from booktape.model.records import MINUTE, SECOND
from booktape.serve.app import create_app
from booktape.store.objects import Store, open_store
from booktape.store.raw_frames import raw_runs
from tests.serve.recorded_days import START, Shelf, served
from tests.waiting import DEADLINE

RANGE = {"from": str(START), "to": str(START + 10 * MINUTE)}
STARTED = START - 7


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An instance with two connections and another one with one."""
    store = open_store((tmp_path / "data").as_uri())

    def keep(key: str, lines: bytearray) -> None:
        assert store.create(key, codec.compress(lines))

    raw = RawFrames("upbit", "a", STARTED, keep)
    first, second = raw.connection(0, "wss://one"), raw.connection(1, "wss://two")
    first.received("before", START - 1)
    first.sent(b"subscribe", START)
    first.received("one", START)
    second.received(b'{"binary":2}', START + SECOND)
    first.received(b"\xff\x00", START + 2 * SECOND)
    second.received("four", START + 2 * MINUTE)
    first.received("five", START + 3 * MINUTE)
    raw.close()
    other = RawFrames("upbit", "b", STARTED + 1, keep)
    other.connection(0, "wss://one").received("other", START + 1)
    other.close()
    return store


def heard(store: Store, **query: str) -> list[str | bytes]:
    async def listen(address: str) -> list[str | bytes]:
        url = f"ws://{address}/raw/upbit?{urlencode(RANGE | {'speed': 'max'} | query)}"
        async with asyncio.timeout(DEADLINE), connect(url) as socket:
            return [frame async for frame in socket]

    with served(create_app(Shelf(), store, None)) as address:
        return asyncio.run(listen(address))


def test_an_instances_frames_come_in_their_order_text_as_text_and_binary_as_binary(store: Store) -> None:
    assert heard(store) == ["one", b'{"binary":2}', b"\xff\x00", "four", "five"]


def test_one_connection_and_another_instance_can_be_chosen(store: Store) -> None:
    assert heard(store, connection="1-1") == [b'{"binary":2}', "four"]
    assert heard(store, instance="b") == ["other"]


async def hear_into(frames: list[str | bytes], socket: ClientConnection) -> None:
    while True:
        frames.append(await socket.recv())


def test_what_was_cut_short_does_not_look_whole(store: Store) -> None:
    """What was read before comes first; then the connection ends as a failure."""
    (key,) = [key for run in raw_runs(store, "upbit") for key in run.keys if (key.instance, key.number) == ("a", 2)]
    store.delete(str(key))
    store.create(str(key), b"no gzip")

    async def listen(address: str) -> tuple[list[str | bytes], int, str]:
        url = f"ws://{address}/raw/upbit?{urlencode(RANGE | {'speed': 'max'})}"
        frames: list[str | bytes] = []
        async with asyncio.timeout(DEADLINE), connect(url) as socket:
            with pytest.raises(ConnectionClosedError) as caught:
                await hear_into(frames, socket)
        assert caught.value.rcvd is not None
        return frames, caught.value.rcvd.code, caught.value.rcvd.reason

    with served(create_app(Shelf(), store, None)) as address:
        frames, code, reason = asyncio.run(listen(address))
    assert (frames, code) == (["one", b'{"binary":2}', b"\xff\x00"], 1011)
    assert str(key)[:50] in reason


def test_an_object_that_was_lost_on_the_way_shows_in_the_list(store: Store) -> None:
    with served(create_app(Shelf(), store, None)) as address:
        before = httpx.get(f"http://{address}/raw/upbit", params=RANGE).json()
        first = next(one for one in raw_runs(store, "upbit")[0].keys if one.number == 1 and one.connection == "0-0")
        store.delete(str(first))
        after = httpx.get(f"http://{address}/raw/upbit", params=RANGE).json()
    assert [(one["connection"], one["objects"], one["lost"]) for one in before][:1] == [("0-0", 3, 0)]
    assert [(one["connection"], one["objects"], one["lost"]) for one in after][:1] == [("0-0", 2, 1)]


def test_the_range_is_half_open(store: Store) -> None:
    assert heard(store, **{"from": str(START + SECOND), "to": str(START + 2 * MINUTE)}) == [
        b'{"binary":2}',
        b"\xff\x00",
    ]


def test_what_there_is_can_be_listed(store: Store) -> None:
    with served(create_app(Shelf(), store, None)) as address:
        found = httpx.get(f"http://{address}/raw/upbit", params=RANGE).json()
    assert [(one["instance"], one["run"], one["connection"], one["first"] - START) for one in found] == [
        ("a", STARTED, "0-0", -SECOND),
        ("a", STARTED, "1-1", SECOND),
        ("b", STARTED + 1, "0-0", 0),
    ]


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ({"instance": "c"}, "a 0-0, a 1-1, b 0-0"),
        ({"connection": "9-9"}, "no such"),
        ({"speed": "fast"}, "'fast'"),
        ({"speed": "1e300"}, "1e300"),
    ],
)
def test_what_is_not_there_is_refused(query: dict[str, str], fault: str, store: Store) -> None:
    with pytest.raises(InvalidStatus) as caught:
        heard(store, **query)
    assert caught.value.response.status_code == 400
    assert fault in caught.value.response.body.decode()
