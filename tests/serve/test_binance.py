"""Binance's endpoints, of the past: what a client written for the venue sees."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from booktape.archive.errors import NotRecordedError
from booktape.model import codec
from booktape.model.gap import Gap, GapCause, GapUnit
from booktape.model.records import INSTRUMENTS, MINUTE, SECOND, TRADING, Instrument
from booktape.store.layout import BatchKey
from booktape.store.objects import Store
from tests.serve.recorded_days import START, Shelf, levels, snapshot, trade, update
from tests.serve.talking import END, STREAMS, HandClock, Serve, hear, is_subscribed, read_on
from tests.waiting import DEADLINE

TRADE_1 = {
    "e": "trade", "E": START // 1000 + 1000, "s": "BTCUSDT", "t": 1, "p": "61687.01000000", "q": "0.00100000",
    "T": START // 1000 + 1000, "m": True, "M": True,
}  # fmt: skip
DEPTH_1 = {
    "e": "depthUpdate", "E": START // 1000 + 3000, "s": "BTCUSDT", "U": 5, "u": 6, "b": [["1.00000000", "0"]], "a": [],
}  # fmt: skip


def test_combined_streams_come_wrapped_in_the_order_of_their_times(shelf: Shelf, serve: Serve) -> None:
    with serve(shelf) as address:
        frames = hear(address, f"/stream?streams={STREAMS}", 6)
    assert [frame["stream"] for frame in frames] == [
        "btcusdt@trade",
        "btcusdt@bookTicker",
        "btcusdt@depth@100ms",
        "btcusdt@depth@100ms",
        "btcusdt@depth@100ms",
        "btcusdt@trade",
    ]
    assert frames[0]["data"] == TRADE_1
    assert frames[1]["data"] == {"u": 5, "s": "BTCUSDT", "b": "1.0", "B": "2.0", "a": "3.0", "A": "4.0"}
    assert frames[2]["data"] == DEPTH_1


def test_raw_streams_come_bare_and_in_the_unit_asked_for(shelf: Shelf, serve: Serve) -> None:
    with serve(shelf) as address:
        assert hear(address, "/ws/btcusdt@trade", 1) == [TRADE_1]
    with serve(shelf) as address:
        (micro,) = hear(address, "/ws/btcusdt@trade?timeUnit=MICROSECOND", 1)
    assert (micro["T"], micro["E"]) == (START + SECOND, START + SECOND)


def test_slow_depth_tells_a_second_at_once_and_levels_tell_the_book(shelf: Shelf, serve: Serve) -> None:
    with serve(shelf) as address:
        slow = hear(address, "/ws/btcusdt@depth", 2)
    assert [(frame["U"], frame["u"], frame["b"], frame["a"]) for frame in slow] == [
        (5, 9, [["1.00000000", "0"]], [["1.20000000", "1"]]),
        (10, 10, [], [["1.20000000", "2"]]),
    ]
    with serve(shelf) as address:
        first, second, _ = hear(address, "/ws/btcusdt@depth5@100ms", 3)
    assert first == {"lastUpdateId": 6, "bids": [["0.90000000", "1.0"]], "asks": [["1.10000000", "3.0"]]}
    assert second["asks"] == [["1.10000000", "3.0"], ["1.20000000", "1"]]


def test_a_loss_within_a_second_shows_in_the_slow_depth_too(serve: Serve) -> None:
    """One message with the ids 5 to 8 would hide that 6 and 7 are missing."""
    shelf = Shelf()
    shelf.add(
        "binance:BTC-USDT",
        snapshot(4, START, levels(("1.0", "1"))),
        update(5, 5, START + SECOND),
        Gap(GapUnit.ID, 6, 7, GapCause.LOST, "book_updates", "BTC-USDT", START + SECOND, START + SECOND + 2),
        update(8, 8, START + SECOND + 2, levels(("1.0", "2"))),
        update(8, 9, START + SECOND + 3, levels(("1.0", "3"))),
    )
    with serve(shelf) as address:
        slow = hear(address, "/ws/btcusdt@depth", 2)
    assert [(frame["U"], frame["u"], frame["b"]) for frame in slow] == [(5, 5, []), (8, 9, [["1.0", "3"]])]


def test_the_book_is_known_before_the_first_subscription_even_where_a_trade_comes_at_once(serve: Serve) -> None:
    shelf = Shelf()
    shelf.add("binance:BTC-USDT", trade(1, START), snapshot(4, START, levels(("1.0", "1"))))
    with serve(shelf) as address:
        answer = httpx.get(f"http://{address}/binance/api/v3/depth", params={"symbol": "BTCUSDT"})
    assert answer.json() == {"lastUpdateId": 4, "bids": [["1.0", "1"]], "asks": []}


def test_a_stream_of_which_nothing_is_recorded_is_refused(serve: Serve) -> None:
    class OnlyTrades(Shelf):
        def replay(self, *arguments: Any, data_types: Any = (), **options: Any) -> Any:
            if "quotes" in data_types:
                raise NotRecordedError("no quotes of binance BTC-USDT are recorded then")
            return super().replay(*arguments, data_types=data_types, **options)

    shelf = OnlyTrades()
    shelf.add("binance:BTC-USDT", trade(1, START + SECOND))
    with serve(shelf) as address:
        answers = hear(
            address,
            "/ws",
            2,
            {"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1},
            {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 2},
        )
    assert answers[0]["error"]["code"] == -1121
    assert "no quotes of BTC-USDT" in answers[0]["error"]["msg"]
    assert answers[1] == {"result": None, "id": 2}


def test_who_listens_to_a_market_that_cannot_be_read_on_is_told(shelf: Shelf, serve: Serve) -> None:
    """Silence would look like a quiet market, and the book like the market's."""
    shelf.fails = {"binance:BTC-USDT": START + 6 * SECOND}

    clock = HandClock()

    async def listen(address: str) -> tuple[int, str]:
        url = f"ws://{address}/binance/ws"
        async with asyncio.timeout(DEADLINE), connect(f"{url}/ethusdt@trade") as other:
            async with connect(f"{url}/btcusdt@trade") as socket:
                await is_subscribed(socket)
                clock.at = END
                with pytest.raises(ConnectionClosedError) as caught:
                    await read_on(socket)
            assert json.loads(await other.recv())["t"] == 77
        assert caught.value.rcvd is not None
        return caught.value.rcvd.code, caught.value.rcvd.reason

    with serve(shelf, clock=clock) as address:
        assert asyncio.run(listen(address)) == (1011, "the recording of BTC-USDT cannot be read any further")


def test_streams_can_be_subscribed_to_listed_and_left(shelf: Shelf, serve: Serve) -> None:
    with serve(shelf) as address:
        answers = hear(
            address,
            "/ws",
            6,
            {"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 1},
            {"method": "LIST_SUBSCRIPTIONS", "id": "two"},
            {"method": "SET_PROPERTY", "params": ["combined", True], "id": 3},
            {"method": "GET_PROPERTY", "params": ["combined"], "id": 4},
            {"method": "SUBSCRIBE", "params": ["ethusdt@trade"], "id": 5},
        )
    assert answers[:5] == [
        {"result": None, "id": 1},
        {"result": [], "id": "two"},
        {"result": None, "id": 3},
        {"result": True, "id": 4},
        {"result": None, "id": 5},
    ]
    assert answers[5]["stream"] == "ethusdt@trade"
    assert answers[5]["data"]["t"] == 77


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("garbage", {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}),
        ("[" * 100_000, {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}),
        ("[]", {"code": 2, "msg": "Invalid request: missing field `method`"}),
        ({"method": "SHOUT", "id": 1}, {"code": 2, "msg": "Invalid request: unknown variant `SHOUT`"}),
        (
            {"method": "SUBSCRIBE", "params": "btcusdt@trade"},
            {"code": 2, "msg": "Invalid request: params must be an array of strings"},
        ),
        (
            {"method": "SUBSCRIBE", "params": [], "id": {}},
            {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer or a string"},
        ),
    ],
)
def test_garbage_is_answered_and_the_connection_lives_on(said: Any, answer: Any, shelf: Shelf, serve: Serve) -> None:
    with serve(shelf) as address:
        told = hear(address, "/ws", 2, said, {"method": "LIST_SUBSCRIPTIONS", "id": 9})
    assert told == [answer, {"result": [], "id": 9}]


def test_what_cannot_be_replayed_is_refused_and_not_passed_over(shelf: Shelf, serve: Serve) -> None:
    with serve(shelf) as address:
        for stream, why in (("btcusdt@kline_1m", "not replayed"), ("dogeusdt@trade", "binance:DOGE-USDT")):
            (answer,) = hear(address, "/ws", 1, {"method": "SUBSCRIBE", "params": [stream], "id": 1})
            assert (answer["id"], answer["error"]["code"]) == (1, -1121)
            assert why in answer["error"]["msg"]
            with pytest.raises(InvalidStatus) as caught:
                hear(address, f"/stream?streams=btcusdt@trade/{stream}", 1)
            assert caught.value.response.status_code == 400
            assert why in caught.value.response.body.decode()
        assert httpx.get(f"http://{address}/clock").json()["state"] == "waiting"


def test_the_rest_book_is_that_of_the_last_event_sent(shelf: Shelf, serve: Serve) -> None:
    with serve(shelf) as address:
        url = f"http://{address}/binance/api/v3/depth"
        before = httpx.get(url, params={"symbol": "BTCUSDT", "limit": 1}).json()
        hear(address, "/ws/btcusdt@depth@100ms", 3)
        after = httpx.get(url, params={"symbol": "BTCUSDT"}).json()
    assert before == {"lastUpdateId": 4, "bids": [["1.00000000", "2.0"]], "asks": [["1.10000000", "3.0"]]}
    assert after == {
        "lastUpdateId": 10,
        "bids": [["0.90000000", "1.0"]],
        "asks": [["1.10000000", "3.0"], ["1.20000000", "2"]],
    }


def test_a_gap_shows_as_one_and_the_book_is_not_told_until_a_snapshot(serve: Serve) -> None:
    shelf = Shelf()
    shelf.add(
        "binance:BTC-USDT",
        snapshot(4, START, levels(("1.0", "1"))),
        update(5, 5, START + SECOND),
        Gap(GapUnit.ID, 6, 7, GapCause.LOST, "book_updates", "BTC-USDT", START + SECOND, START + 2 * SECOND),
        update(8, 8, START + 2 * SECOND, levels(("1.0", "2"))),
    )
    with serve(shelf) as address:
        frames = hear(address, "/ws/btcusdt@depth@100ms", 2)
        answer = httpx.get(f"http://{address}/binance/api/v3/depth", params={"symbol": "BTCUSDT"})
    assert [frame["U"] for frame in frames] == [5, 8]
    assert answer.status_code == 503
    assert answer.json()["code"] == -1001
    assert "6 to 7 are missing" in answer.json()["msg"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, -1102),
        ({"symbol": "NOSUCHUSDT"}, -1121),
        ({"symbol": "BTCUSDT", "limit": "many"}, -1100),
        ({"symbol": "BTCUSDT", "limit": "9" * 5000}, -1100),
        ({"symbol": "BTC\x00USDT"}, -1100),
        ({"symbol": "BTCUSDT", "limit": "0"}, -1130),
    ],
)
def test_bad_rest_requests_get_binances_errors(query: dict[str, str], code: int, shelf: Shelf, serve: Serve) -> None:
    with serve(shelf) as address:
        answer = httpx.get(f"http://{address}/binance/api/v3/depth", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_the_list_of_instruments_is_that_of_the_day(shelf: Shelf, store: Store, serve: Serve) -> None:
    for day, tick in ((START - 24 * 60 * MINUTE, "0.1"), (START, "0.01"), (START + 24 * 60 * MINUTE, "0.001")):
        instrument = Instrument(
            symbol="BTCUSDT", market="BTC-USDT", base="BTC", quote="USDT", kind="spot", status=TRADING,
            price_increment=tick, amount_increment="0.00001", local_timestamp=day,
        )  # fmt: skip
        key = BatchKey(INSTRUMENTS, "binance", "ALL", day, day, day, "0" * 16)
        store.create(str(key), codec.compress(codec.encode_records([instrument])))
    with serve(shelf) as address:
        url = f"http://{address}/binance/api/v3/exchangeInfo"
        answer = httpx.get(url).json()
        unknown = httpx.get(url, params={"symbol": "NOSUCH"})
    assert answer["serverTime"] == START // 1000
    assert answer["symbols"] == [
        {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "isSpotTradingAllowed": True,
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "stepSize": "0.00001"},
            ],
        }
    ]
    assert (unknown.status_code, unknown.json()["code"]) == (400, -1121)
