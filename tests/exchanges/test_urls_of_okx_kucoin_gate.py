"""Where the subscriptions of venues with several URLs go, and what they ask for."""

from typing import Any

from msgspec import json

from booktape.exchanges import exchange
from booktape.exchanges.spec import WHOLE_VENUE, Subscription


def url(venue: str, channel: str, symbol: str) -> str:
    declared = exchange(venue)
    return declared.websocket_url + declared.path(Subscription(channel, symbol))


def asked(venue: str, *wanted: tuple[str, str]) -> list[Any]:
    return [json.decode(message) for message in exchange(venue).subscribe([Subscription(*one) for one in wanted])]


def test_okx_has_every_single_trade_on_another_path() -> None:
    assert url("okx", "trades-all", "BTC-USDT") == "wss://ws.okx.com:8443/ws/v5/business"
    assert url("okx", "books", "BTC-USDT") == "wss://ws.okx.com:8443/ws/v5/public"


def test_okx_is_asked_for_nothing_that_an_instrument_of_its_kind_does_not_have() -> None:
    symbols = ("BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-241227", "BTC-USD-241227-100000-C")
    wanted = [(channel, symbol) for channel in ("funding-rate", "mark-price", "open-interest") for symbol in symbols]
    (message,) = asked("okx", *wanted)
    assert [(argument["channel"], argument["instId"]) for argument in message["args"]] == [
        ("funding-rate", "BTC-USDT-SWAP"),
        *((channel, symbol) for channel in ("mark-price", "open-interest") for symbol in symbols[1:]),
    ]
    assert asked("okx", ("liquidation-orders", "BTC-USDT"), ("funding-rate", "BTC-USDT")) == []


def test_okx_is_asked_for_the_liquidations_of_each_kind_of_instrument() -> None:
    (message,) = asked("okx", ("liquidation-orders", WHOLE_VENUE))
    assert [argument["instType"] for argument in message["args"]] == ["SWAP", "FUTURES"]


def test_gates_futures_have_a_path_for_each_settlement() -> None:
    assert url("gate", "spot.trades", "BTC_USDT") == "wss://api.gateio.ws/ws/v4/"
    assert url("gate-futures", "futures.trades", "BTC_USDT") == "wss://fx-ws.gateio.ws/v4/ws/usdt"
    assert url("gate-futures", "futures.trades", "BTC_USD") == "wss://fx-ws.gateio.ws/v4/ws/btc"
    assert url("gate-futures", "futures.trades", "BTC_USD1") == "wss://fx-ws.gateio.ws/v4/ws/usd1"
    assert url("gate-futures", "futures.public_liquidates", WHOLE_VENUE) == "wss://fx-ws.gateio.ws/v4/ws/usdt"


def test_gates_futures_are_listed_for_each_settlement() -> None:
    requests = exchange("gate-futures").rest.listing.requests
    assert [request.path for request in requests] == [
        f"/futures/{settle}/contracts" for settle in ("usdt", "btc", "usd1")
    ]


def test_gate_is_asked_for_books_by_their_depth_and_for_the_liquidations_of_all_contracts() -> None:
    wanted = ("futures.obu", "BTC_USDT"), ("futures.public_liquidates", WHOLE_VENUE), ("futures.trades", "BTC_USDT")
    assert [(message["channel"], message["payload"]) for message in asked("gate-futures", *wanted)] == [
        ("futures.obu", ["ob.BTC_USDT.400"]),
        ("futures.public_liquidates", ["!all"]),
        ("futures.trades", ["BTC_USDT"]),
    ]


def test_a_request_to_gate_tells_the_second_in_which_it_is_sent() -> None:
    for venue, channel in (("gate", "spot.trades"), ("gate-futures", "futures.trades")):
        declared = exchange(venue)
        (message,) = declared.subscribe([Subscription(channel, "BTC_USDT")])
        assert json.decode(declared.add_send_time(message, 1_700_000_000_999_999)) == {
            "time": 1_700_000_000,
            "channel": channel,
            "event": "subscribe",
            "payload": ["BTC_USDT"],
        }


def test_kucoin_gives_its_url_out_with_a_token() -> None:
    server = {"endpoint": "wss://ws-api-spot.kucoin.com/", "encrypt": True, "protocol": "websocket"}
    answer = {"code": "200000", "data": {"token": "2neAi.=", "instanceServers": [server]}}
    address = exchange("kucoin").url_request
    assert address is not None
    assert address.parse(json.encode(answer)) == "wss://ws-api-spot.kucoin.com/?token=2neAi.="
