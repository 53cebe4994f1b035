"""The list of a venue's instruments: asked for in pages, under the budget, and kept as one object."""

import json
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from booktape.exchanges import exchange
from booktape.exchanges.spec import Exchange, Listing, Request
from booktape.model import codec
from booktape.model.records import INSTRUMENTS, SECOND, TRADING, Instrument
from booktape.rest.client import VenueRefusedError
from booktape.rest.instruments import fetch_instruments, store_instruments
from booktape.rest.rate_limits import LocalRateLimiter, RateLimitedError
from booktape.store import clock
from booktape.store.layout import parse_batch_key
from booktape.store.objects import open_store

Answers = Callable[[httpx.Request], httpx.Response]
NOON = 1_723_204_800 * SECOND


def fetched(venue: Exchange, answers: Answers, limiter: LocalRateLimiter | None = None) -> list[Instrument]:
    with httpx.Client(transport=httpx.MockTransport(answers)) as client:
        return fetch_instruments(venue, limiter or LocalRateLimiter(venue.id), client)


def kraken_pairs(*names: str) -> httpx.Response:
    pair = {"tick_size": "0.1", "lot_decimals": 8, "status": "online"}
    return httpx.Response(200, json={"error": [], "result": {name: {"wsname": name, **pair} for name in names}})


def parse(answer: bytes, received: int) -> list[Instrument]:
    return [
        Instrument(
            symbol=name,
            market=name,
            base=name.partition("-")[0],
            quote="USD",
            kind="spot",
            status=TRADING,
            local_timestamp=received,
        )
        for name in json.loads(answer)["names"]
    ]


def following(request: Request, answer: bytes) -> Request | None:
    cursor = json.loads(answer).get("next")
    return None if cursor is None else Request(f"/list?cursor={cursor}")


def paged(*requests: Request) -> Exchange:
    venue = exchange("kraken")
    return replace(venue, rest=replace(venue.rest, listing=Listing(requests, parse, next_page=following)))


def test_every_instrument_comes_once_and_by_symbol() -> None:
    found = fetched(exchange("kraken"), lambda request: kraken_pairs("XBT/USD", "ETH/EUR"))
    assert [(instrument.symbol, instrument.market) for instrument in found] == [
        ("BTC/USD", "BTC-USD"),
        ("ETH/EUR", "ETH-EUR"),
    ]


def test_pages_are_followed_and_posts_carry_their_body() -> None:
    asked: list[tuple[str, str, bytes]] = []
    pages = {"/list": {"names": ["B-USD", "A-USD"], "next": "2"}, "/list?cursor=2": {"names": ["C-USD", "A-USD"]}}
    pages["/other"] = {"names": ["D-USD"]}

    def answers(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        asked.append((request.method, path, request.content))
        return httpx.Response(200, json=pages[path])

    found = fetched(paged(Request("/list"), Request("/other", b'{"type":"meta"}')), answers)
    assert [instrument.symbol for instrument in found] == ["A-USD", "B-USD", "C-USD", "D-USD"]
    assert asked == [
        ("GET", "/list", b""),
        ("GET", "/list?cursor=2", b""),
        ("POST", "/other", b'{"type":"meta"}'),
    ]


def test_pages_without_an_end_are_refused() -> None:
    endless = lambda request: httpx.Response(200, json={"names": ["A-USD"], "next": "again"})  # noqa: E731  # one line
    with pytest.raises(VenueRefusedError, match="its list has more than 100 pages"):
        fetched(paged(Request("/list")), endless)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>maintenance</html>", b'{"result":{"X":{}}}'])
def test_an_answer_that_is_no_list_is_refused_and_named(body: bytes) -> None:
    with pytest.raises(
        VenueRefusedError, match=r"https://api.kraken.com/0/public/AssetPairs: the response is not understood"
    ):
        fetched(exchange("kraken"), lambda request: httpx.Response(200, content=body))


BANS = [
    (429, {"Retry-After": "7"}, b"", 7.0),
    (418, {"Retry-After": "Fri, 09 Aug 2024 12:00:30 GMT"}, b"", 30.0),
    (429, {"Retry-After": "soon"}, b"", 60.0),
    (418, {}, b'{"code":-1003,"msg":"Way too much request weight used; IP banned until 1723204890000."}', 90.0),
    (429, {}, b"", 60.0),
]


@pytest.mark.parametrize(("status", "headers", "body", "seconds"), BANS)
def test_a_venue_that_wants_to_be_left_alone_is_left_alone_for_as_long_as_it_says(
    status: int, headers: dict[str, str], body: bytes, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [NOON]
    monkeypatch.setattr(clock, "now", lambda: now[0])
    limiter = LocalRateLimiter("kraken")
    answers = [httpx.Response(status, headers=headers, content=body), kraken_pairs("XBT/USD")]
    with pytest.raises(RateLimitedError) as refusal:
        fetched(exchange("kraken"), lambda request: answers.pop(0), limiter)
    assert refusal.value.seconds == seconds
    now[0] += round((seconds - 1) * SECOND)
    with pytest.raises(RateLimitedError, match="accepts no requests for 1 s"):
        fetched(exchange("kraken"), lambda request: answers.pop(0), limiter)
    now[0] += 1 * SECOND
    assert len(fetched(exchange("kraken"), lambda request: answers.pop(0), limiter)) == 1


def test_a_list_is_kept_as_one_object_of_its_day(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = open_store(str(tmp_path_factory.mktemp("store")))
    instruments = parse(b'{"names":["B-USD","A-USD"]}', NOON + 5 * SECOND)
    key = store_instruments(exchange("kraken"), instruments, store)
    assert store_instruments(exchange("kraken"), instruments, store) == key
    assert key.startswith("instruments/exchange=kraken/pair=ALL/year=2024/month=08/day=09/1200_")
    assert parse_batch_key(key).first == NOON + 5 * SECOND
    assert codec.decode_records(INSTRUMENTS, store.read(key)) == instruments
