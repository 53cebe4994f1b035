"""Booktape's own records over HTTP and WebSocket."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from msgspec import json
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from booktape.model.errors import TransientError
from booktape.model.gap import Gap, GapCause, GapUnit
from booktape.model.records import SECOND
from booktape.serve.app import create_app
from booktape.store.objects import open_store
from tests.serve.recorded_days import START, Event, Shelf, levels, served, snapshot, trade, update
from tests.waiting import DEADLINE, until

END = START + 60 * SECOND
WHOLE = {"markets": "binance:BTC-USDT", "from": str(START), "to": str(END)}


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf()
    shelf.add(
        "binance:BTC-USDT",
        snapshot(4, START, levels(("1.0", "2.0"))),
        trade(1, START + SECOND),
        update(5, 6, START + 2 * SECOND, levels(("1.0", "0"))),
        Gap(GapUnit.ID, 7, 8, GapCause.LOST, "book_updates", "BTC-USDT", START + 3 * SECOND, START + 4 * SECOND),
    )
    shelf.add("kraken:BTC-USD", trade(9, START + SECOND + 1))
    return shelf


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[Shelf], Any]:
    return lambda shelf: served(create_app(shelf, open_store((tmp_path / "data").as_uri()), None))


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.decode(line) for line in answer.text.splitlines()]


def test_replay_streams_a_line_for_each_event_in_the_order_of_their_times(shelf: Shelf, serve: Any) -> None:
    with serve(shelf) as address:
        markets = "binance:BTC-USDT,kraken:BTC-USD"
        answer = httpx.get(f"http://{address}/replay", params=WHOLE | {"markets": markets})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    told = [(line["exchange"], line["time"] - START, line["type"]) for line in lines(answer)]
    assert told == [
        ("binance", 0, "book_snapshots"),
        ("binance", SECOND, "trades"),
        ("kraken", SECOND + 1, "trades"),
        ("binance", 2 * SECOND, "book_updates"),
        ("binance", 3 * SECOND, "missing"),
    ]
    assert lines(answer)[1]["record"] == {
        "id": 1,
        "timestamp": START + SECOND,
        "side": "sell",
        "price": "61687.01000000",
        "amount": "0.00100000",
        "local_timestamp": START + SECOND + 5,
    }
    assert lines(answer)[3]["record"]["bids"] == [["1.0", "0"]]
    assert lines(answer)[4]["record"] == {
        "data_type": "book_updates",
        "start": START + 3 * SECOND,
        "end": START + 4 * SECOND,
        "why": "the update ids 7 to 8 are missing",
        "first": 7,
        "last": 8,
    }


def test_ranges_are_half_open_and_data_types_can_be_chosen(shelf: Shelf, serve: Any) -> None:
    with serve(shelf) as address:
        part = WHOLE | {"from": "2024-08-09T00:00:01Z", "to": "2024-08-09T00:00:02Z"}
        (line,) = lines(httpx.get(f"http://{address}/replay", params=part))
        trades = lines(httpx.get(f"http://{address}/replay", params=WHOLE | {"data_types": "trades"}))
    assert line["type"] == "trades"
    assert [line["type"] for line in trades] == ["trades"]


@pytest.mark.parametrize(
    ("path", "query", "fault"),
    [
        ("replay", {"from": "2024-08-09", "to": "2024-08-10"}, "'markets' is missing"),
        ("replay", WHOLE | {"markets": "BTC-USDT"}, "exchange:MARKET"),
        ("replay", WHOLE | {"markets": "binance:NO-SUCH"}, "there is no binance:NO-SUCH"),
        ("replay", WHOLE | {"to": str(START)}, "not after its start"),
        ("replay", WHOLE | {"from": "yesterday"}, "'yesterday' is not a time"),
        ("replay", WHOLE | {"gaps": "hide"}, "gaps: 'hide'"),
        ("replay", WHOLE | {"speed": "-1"}, "speed: '-1'"),
        ("replay", WHOLE | {"spede": "1"}, "no parameter 'spede'"),
        ("book", {"exchange": "binance", "market": "BTC-USDT"}, "'at' is missing"),
        ("book", {"exchange": "binance", "market": "X-Y", "at": str(START)}, "there is no binance:X-Y"),
        ("book", {"exchange": "binance", "market": "BTC-USDT", "at": str(START), "depth": "a"}, "no whole number"),
        ("coverage", {"exchange": "binance", "market": "BTC-USDT"}, "'from' is missing"),
        ("raw/binance", {"from": str(START), "to": str(END)}, "no raw frames of binance"),
        ("raw/nowhere", {"from": str(START), "to": str(END)}, "nowhere"),
    ],
)
def test_what_makes_no_sense_is_answered_400_in_one_line(
    path: str, query: dict[str, str], fault: str, shelf: Shelf, serve: Any
) -> None:
    with serve(shelf) as address:
        answer = httpx.get(f"http://{address}/{path}", params=query)

        async def refused() -> str:
            with pytest.raises(InvalidStatus) as caught:
                await connect(f"ws://{address}/{path}?{urlencode(query)}")
            assert caught.value.response.status_code == 400
            return caught.value.response.body.decode()

        if path.startswith(("replay", "raw")):
            assert fault in asyncio.run(refused())
    assert answer.status_code == 400
    assert answer.text.count("\n") == 1
    assert fault in answer.text


def test_a_book_is_told_with_the_depth_asked_for(shelf: Shelf, serve: Any) -> None:
    query = {"exchange": "binance", "market": "BTC-USDT", "at": "2024-08-09T00:00:05Z"}
    with serve(shelf) as address:
        whole = httpx.get(f"http://{address}/book", params=query).json()
        best = httpx.get(f"http://{address}/book", params=query | {"depth": "1"}).json()
    assert whole == {
        "exchange": "binance",
        "market": "BTC-USDT",
        "at": START + 5 * SECOND,
        "as_of": START + 5 * SECOND - 1,
        "last_id": 7,
        "sound": True,
        "missing": None,
        "bids": [["1.0", "2.0"], ["0.9", "1.0"]],
        "asks": [["1.1", "3.0"]],
    }
    assert best["bids"] == [["1.0", "2.0"]]


def test_over_websocket_the_same_events_come_and_the_connection_ends(shelf: Shelf, serve: Any) -> None:
    async def listen(address: str) -> list[Any]:
        async with connect(f"ws://{address}/replay?{urlencode(WHOLE | {'speed': 'max'})}") as socket:
            return [json.decode(text) async for text in socket]

    with serve(shelf) as address:
        over_http = lines(httpx.get(f"http://{address}/replay", params=WHOLE))
        assert asyncio.run(listen(address)) == over_http


def test_over_websocket_events_come_when_their_time_has_come(shelf: Shelf, serve: Any) -> None:
    """Two market seconds to the last event at a tenfold speed: not before 0.2 s."""

    async def listen(address: str) -> list[float]:
        began = time.monotonic()
        async with connect(f"ws://{address}/replay?{urlencode(WHOLE | {'speed': '10'})}") as socket:
            return [time.monotonic() - began async for _ in socket]

    with serve(shelf) as address:
        _, first, second, third = asyncio.run(listen(address))
    assert (first >= 0.1, second >= 0.2, third >= 0.3) == (True, True, True)


def test_who_reads_slowly_is_waited_for_and_who_goes_is_forgotten(shelf: Shelf, serve: Any) -> None:
    """Of endless events only those are read that fit into buffers of bounded size."""
    shelf.endless = True
    with serve(shelf) as address:
        with httpx.stream("GET", f"http://{address}/replay", params=WHOLE) as answer:
            next(answer.iter_lines())
            stands = settled(shelf)
        assert stands < 200_000
        until(lambda: shelf.closed == 1)


def test_a_websocket_that_is_not_read_is_waited_for_and_then_forgotten(shelf: Shelf, serve: Any) -> None:
    shelf.endless = True

    async def listen(address: str) -> int:
        url = f"ws://{address}/replay?{urlencode(WHOLE | {'speed': 'max'})}"
        async with connect(url, max_queue=1, close_timeout=0.1) as socket:
            await socket.recv()
            return await asyncio.to_thread(settled, shelf)

    with serve(shelf) as address:
        assert asyncio.run(listen(address)) < 400_000
        until(lambda: shelf.closed == 1)


class StoreAway(TransientError):
    """What may happen in the middle of a reading."""


class Breaking(Shelf):
    """A shelf whose readings break off after some hundred events."""

    def replay(self, *arguments: Any, **options: Any) -> Iterator[Event]:
        for _ in range(1_200):
            yield from super().replay(*arguments, **options)
        raise StoreAway("the store is away")


def test_a_failure_in_the_middle_is_told_as_the_last_line(serve: Any) -> None:
    shelf = Breaking()
    shelf.add("binance:BTC-USDT", trade(1, START))
    with serve(shelf) as address:
        answer = lines(httpx.get(f"http://{address}/replay", params=WHOLE))
    assert len(answer) == 1_200 + 1
    assert answer[-1] == {"type": "error", "error": "the store is away"}


async def hear_into(told: list[Any], socket: ClientConnection) -> None:
    while True:
        told.append(json.decode(await socket.recv()))


def test_a_paced_replay_that_fails_ends_as_a_failure(serve: Any) -> None:
    shelf = Breaking()
    shelf.add("binance:BTC-USDT", trade(1, START))

    async def listen(address: str) -> tuple[list[Any], int]:
        url = f"ws://{address}/replay?{urlencode(WHOLE | {'speed': 'max'})}"
        told: list[Any] = []
        async with asyncio.timeout(DEADLINE), connect(url) as socket:
            with pytest.raises(ConnectionClosedError) as caught:
                await hear_into(told, socket)
        assert caught.value.rcvd is not None
        return told, caught.value.rcvd.code

    with serve(shelf) as address:
        told, code = asyncio.run(listen(address))
    assert len(told) == 1_200 + 1
    assert (told[-1], code) == ({"type": "error", "error": "the store is away"}, 1011)


def settled(shelf: Shelf) -> int:
    """How much was read when nothing more is read."""
    deadline = time.monotonic() + DEADLINE
    before = -1
    while before != shelf.given:
        assert time.monotonic() < deadline, "it never stops"
        before = shelf.given
        time.sleep(1)
    return before
