"""Coinbase Advanced Trade, as its documentation and recorded frames have it."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from sandbox.exchanges import simulated
from sandbox.exchanges.coinbase import Coinbase, CoinbaseSession
from sandbox.exchanges.market import BookChange, Market, Quote, Trade
from sandbox.exchanges.specs import market_spec
from sandbox.exchanges.venue import DisconnectError
from tests.waiting import DEADLINE

pytestmark = pytest.mark.anyio

# 2026-08-09T21:05:51.5Z, the end of a window of 250 ms
NOW = 1_786_309_551_500_000


def venue(levels: int = 4) -> Coinbase:
    return Coinbase([Market(market_spec("coinbase", "BTC-USD", levels), 1)])


def subscribed(exchange: Coinbase, *channels: str) -> tuple[CoinbaseSession, list[dict[str, Any]]]:
    session = exchange.connect("/", {})
    assert isinstance(session, CoinbaseSession)
    session.greet(NOW, 0.0)
    frames = [
        frame
        for channel in channels
        for frame in session.receive(
            json.dumps({"type": "subscribe", "product_ids": ["BTC-USD"], "channel": channel}), NOW, 0.0
        )
    ]
    return session, [json.loads(frame) for frame in frames]


async def test_trades_of_a_window_come_newest_first_with_the_makers_side() -> None:
    exchange = venue()
    session, _ = subscribed(exchange, "market_trades")
    exchange.publish(Trade("BTC-USD", 1068572095, NOW - 123_642, "buy", 6508367, 322434))
    exchange.publish(Trade("BTC-USD", 1068572096, NOW - 73_139, "sell", 6508360, 100000000))
    (message,) = exchange.flush(NOW)
    frame = session.frame(message)
    assert frame is not None
    head, _, events = frame.partition(',"events":')
    assert events == (
        '[{"type":"update","trades":['
        '{"product_id":"BTC-USD","trade_id":"1068572096","price":"65083.6","size":"1",'
        '"time":"2026-08-09T21:05:51.426861Z","side":"BUY"},'
        '{"product_id":"BTC-USD","trade_id":"1068572095","price":"65083.67","size":"0.00322434",'
        '"time":"2026-08-09T21:05:51.376358Z","side":"SELL"}]}]}'
    )
    assert head.startswith('{"channel":"market_trades","timestamp":"2026-08-09T21:05:51.54')
    assert head.endswith('"sequence_num":2')
    assert [(record["id"], record["side"]) for record in message.records] == [
        (1068572095, "buy"),
        (1068572096, "sell"),
    ]


async def test_a_book_change_is_one_update_of_one_event_time() -> None:
    exchange = venue()
    session, _ = subscribed(exchange, "level2")
    (message,) = exchange.publish(BookChange("BTC-USD", 1, 2, NOW - 110, ((6506250, 583000),), ((6506191, 0),)))
    frame = json.loads(session.frame(message) or "")
    assert frame["channel"] == "l2_data"
    assert frame["events"] == [
        {
            "type": "update",
            "product_id": "BTC-USD",
            "updates": [
                {
                    "side": "bid",
                    "event_time": "2026-08-09T21:05:51.49989Z",
                    "price_level": "65062.5",
                    "new_quantity": "0.00583",
                },
                {
                    "side": "offer",
                    "event_time": "2026-08-09T21:05:51.49989Z",
                    "price_level": "65061.91",
                    "new_quantity": "0",
                },
            ],
        }
    ]
    assert message.records == [
        {
            "type": "book",
            "exchange": "coinbase",
            "market": "BTC-USD",
            "first_id": None,
            "last_id": None,
            "timestamp": NOW - 110,
            "bids": [["65062.5", "0.00583"]],
            "asks": [["65061.91", "0"]],
        }
    ]


async def test_the_ticker_has_the_recorded_fields_in_their_order() -> None:
    exchange = venue()
    (message,) = exchange.publish(Quote("BTC-USD", 1, NOW, (6508366, 20371215), (6508367, 24290402)))
    session, _ = subscribed(exchange, "ticker")
    (ticker,) = json.loads(session.frame(message) or "")["events"][0]["tickers"]
    assert list(ticker) == [
        "type", "product_id", "price", "volume_24_h", "low_24_h", "high_24_h", "low_52_w", "high_52_w",
        "price_percent_chg_24_h", "best_bid", "best_ask", "best_bid_quantity", "best_ask_quantity",
    ]  # fmt: skip
    assert (ticker["best_bid"], ticker["best_bid_quantity"]) == ("65083.66", "0.20371215")


async def test_each_subscription_is_answered_by_its_snapshot_and_then_the_list_of_all() -> None:
    _, frames = subscribed(venue(), "market_trades", "level2", "ticker", "heartbeats")
    assert [(frame["sequence_num"], frame["channel"]) for frame in frames] == [
        (0, "market_trades"),
        (1, "subscriptions"),
        (2, "l2_data"),
        (3, "subscriptions"),
        (4, "ticker"),
        (5, "subscriptions"),
        (6, "subscriptions"),
    ]
    assert frames[2]["events"][0]["type"] == "snapshot"
    assert [row["side"] for row in frames[2]["events"][0]["updates"]] == ["bid"] * 4 + ["offer"] * 4
    assert frames[6]["events"] == [
        {
            "subscriptions": {
                "heartbeats": ["heartbeats"],
                "level2": ["BTC-USD"],
                "market_trades": ["BTC-USD"],
                "ticker": ["BTC-USD"],
            }
        }
    ]


async def test_a_trade_snapshot_leaves_the_trades_of_the_open_window_to_the_update() -> None:
    exchange = venue()
    market = exchange.markets["BTC-USD"]
    for number in range(40):
        for event in market.step(NOW + number):
            exchange.publish(event)
    pending = {trade.id for trade in market.trades}
    _, frames = subscribed(exchange, "market_trades")
    assert frames[0]["events"][0]["trades"] == []
    (message,) = exchange.flush(NOW + 250_000)
    assert {record["id"] for record in message.records} == pending
    _, frames = subscribed(exchange, "market_trades")
    ids = [int(row["trade_id"]) for row in frames[0]["events"][0]["trades"]]
    assert ids == sorted(pending, reverse=True)


async def test_heartbeats_come_once_a_real_second_and_count() -> None:
    session, _ = subscribed(venue(), "heartbeats")
    beats = [json.loads(frame) for elapsed in (0.1, 0.5, 1.0, 1.2, 2.3) for frame in session.tick(NOW, elapsed)]
    assert [beat["events"][0]["heartbeat_counter"] for beat in beats] == [0, 1, 2]
    assert [beat["sequence_num"] for beat in beats] == [1, 2, 3]
    assert beats[0]["events"][0]["current_time"].startswith("2026-08-09 21:05:51.5 +0000 UTC m=+0.1")


async def test_who_does_not_subscribe_within_five_seconds_is_disconnected() -> None:
    silent, _ = subscribed(venue())
    assert silent.tick(NOW, 5.0) == []
    with pytest.raises(DisconnectError):
        silent.tick(NOW, 5.1)
    busy, _ = subscribed(venue(), "ticker")
    assert busy.tick(NOW, 60.0) == []


async def test_unsubscribing_without_products_ends_the_channel() -> None:
    session, _ = subscribed(venue(), "ticker", "level2")
    (answer,) = session.receive('{"type":"unsubscribe","channel":"ticker"}', NOW, 0.0)
    assert json.loads(answer)["events"] == [{"subscriptions": {"level2": ["BTC-USD"]}}]
    assert session.streams == {"level2:BTC-USD"}


@pytest.mark.parametrize(
    "text",
    ["{", '{"type":"hello"}', '{"type":"subscribe","channel":"nothing"}',
     '{"type":"subscribe","channel":"level2","product_ids":["NO-PE"]}'],
)  # fmt: skip
async def test_mistakes_are_answered_with_an_error_that_is_not_counted(text: str) -> None:
    session, _ = subscribed(venue())
    (answer,) = session.receive(text, NOW, 0.0)
    assert json.loads(answer)["type"] == "error"
    assert "sequence_num" not in json.loads(answer)


async def receive(socket: ClientConnection, count: int) -> list[Any]:
    async with asyncio.timeout(DEADLINE):
        return [json.loads(await socket.recv()) for _ in range(count)]


async def test_a_client_can_follow_the_book_and_every_trade_without_a_gap_in_the_counter() -> None:
    async with simulated("coinbase", ["BTC-USD", "ETH-USD"], rate=200, seed=2) as exchange:
        async with connect(exchange.routes["primary"].ws) as socket:
            for channel in ("level2", "market_trades"):
                await socket.send(
                    json.dumps({"type": "subscribe", "channel": channel, "product_ids": ["BTC-USD", "ETH-USD"]})
                )
            frames = await receive(socket, 200)
            exchange.finish()
            wanted = exchange.ledger.read("trade")[-1]["id"]
            while not any(row["trade_id"] == str(wanted) for row in trades_of(frames[-1:])):
                frames += await receive(socket, 1)
        assert [frame["sequence_num"] for frame in frames] == list(range(len(frames)))
        for product, market in exchange.venue.markets.items():
            renderer = exchange.venue.renderers[product]
            expected = {
                "bid": dict(renderer.levels(market.book.bids.levels())),
                "offer": dict(renderer.levels(market.book.asks.levels())),
            }
            assert book_of(frames, product) == expected
            seen = {int(row["trade_id"]) for row in trades_of(frames) if row["product_id"] == product}
            assert seen == {record["id"] for record in exchange.ledger.read("trade", product)}


def trades_of(frames: list[Any]) -> list[dict[str, Any]]:
    return [
        row
        for frame in frames
        if frame["channel"] == "market_trades"
        for event in frame["events"]
        for row in event["trades"]
    ]


def book_of(frames: list[Any], product: str) -> dict[str, dict[str, str]]:
    book: dict[str, dict[str, str]] = {"bid": {}, "offer": {}}
    for frame in frames:
        for event in frame["events"] if frame["channel"] == "l2_data" else []:
            for row in event["updates"] if event["product_id"] == product else []:
                if row["new_quantity"] == "0":
                    book[row["side"]].pop(row["price_level"], None)
                else:
                    book[row["side"]][row["price_level"]] = row["new_quantity"]
    return book


async def test_rest_lists_products_and_gives_books() -> None:
    async with simulated("coinbase", ["BTC-USD"], rate=0, seed=3) as exchange:
        base = f"{exchange.routes['primary'].http}/api/v3/brokerage/market"
        async with httpx.AsyncClient() as client:
            products = (await client.get(f"{base}/products")).json()
            assert [row["product_id"] for row in products["products"]] == ["BTC-USD"]
            assert products["products"][0]["price_increment"] == "0.01"
            answer = (await client.get(f"{base}/product_book?product_id=BTC-USD&limit=2")).json()
            book = answer["pricebook"]
            assert [book["bids"][0]["price"], book["asks"][0]["price"]] == ["61837.63", "61837.64"]
            assert [len(book["bids"]), len(book["asks"])] == [2, 2]
            assert [answer["mid_market"], answer["spread_absolute"]] == ["61837.635", "0.01"]
            assert datetime.fromisoformat(book["time"]).astimezone(UTC).year == 2026
            whole = (await client.get(f"{base}/product_book?product_id=BTC-USD")).json()["pricebook"]
            assert len(whole["bids"]) == 500
            assert (await client.get(f"{base}/product_book?product_id=NO-PE")).status_code == 400
