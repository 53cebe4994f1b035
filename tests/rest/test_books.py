"""Fetching an order book over REST, and keeping it like every other record."""

from collections.abc import Callable

import httpx
import pytest
from fakeredis import FakeRedis

from booktape.exchanges import exchange
from booktape.model import codec
from booktape.model.records import BOOK_SNAPSHOTS, SECOND, BookSnapshot, levels
from booktape.rest.books import NoRestBookError, fetch_book
from booktape.rest.client import VenueRefusedError, VenueUnavailableError
from booktape.rest.rate_limits import RateLimitedError, RedisRateLimiter
from booktape.store import clock
from booktape.store.layout import parse_batch_key
from booktape.store.objects import Store, open_store

BOOK = b'{"lastUpdateId":52,"bids":[["60000.10","0.5"]],"asks":[["60000.20","1.0"]]}'
DATE = "Fri, 09 Aug 2024 12:00:07 GMT"
SENT = 1_723_204_807 * SECOND
BINANCE = exchange("binance")

Answer = Callable[[httpx.Request], httpx.Response]


def answer(status: int = 200, body: bytes = BOOK, retry_after: str | None = None) -> Answer:
    headers = {"Date": DATE} | ({"Retry-After": retry_after} if retry_after is not None else {})
    return lambda request: httpx.Response(status, content=body, headers=headers)


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(str(tmp_path_factory.mktemp("store")))


@pytest.fixture
def budget() -> RedisRateLimiter:
    return RedisRateLimiter(FakeRedis(), "binance", 6000)


def fetch_btc(store: Store, budget: RedisRateLimiter, answers: Answer, base: str | None = None) -> str:
    with httpx.Client(transport=httpx.MockTransport(answers)) as client:
        return fetch_book(BINANCE, "BTC-USDT", store, budget, client, base=base)


def test_a_book_is_kept_by_the_venues_clock_and_its_content(
    store: Store, budget: RedisRateLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = SENT + 100_000_000_000  # this machine's clock is wrong by a day
    monkeypatch.setattr(clock, "now", lambda: received)
    key = fetch_btc(store, budget, answer())
    parsed = parse_batch_key(key)
    (record,) = codec.decode_records(BOOK_SNAPSHOTS, store.read(key))
    assert isinstance(record, BookSnapshot)
    assert (parsed.market, parsed.first, parsed.last) == ("BTC-USDT", 52, 52)
    assert key.startswith("book_snapshots/exchange=binance/pair=BTC-USDT/year=2024/month=08/day=09/1200_52-52_")
    assert (record.local_timestamp, record.sent_timestamp, record.origin) == (received, SENT, "rest")
    assert (levels(record.bids), levels(record.asks)) == ([("60000.10", "0.5")], [("60000.20", "1.0")])


def test_the_same_book_fetched_twice_is_one_object(store: Store, budget: RedisRateLimiter) -> None:
    keys = {fetch_btc(store, budget, answer()) for _ in range(2)}
    assert len(keys) == 1
    assert [found.key for found in store.objects("")] == [*keys]


def test_the_configured_url_takes_the_place_of_the_exchanges_own(store: Store, budget: RedisRateLimiter) -> None:
    asked: list[str] = []

    def ask(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return answer()(request)

    fetch_btc(store, budget, ask, base="http://127.0.0.1:9000/")
    fetch_btc(store, budget, ask)
    path = "/api/v3/depth?symbol=BTCUSDT&limit=1000"
    assert asked == [f"http://127.0.0.1:9000{path}", f"https://api.binance.com{path}"]


@pytest.mark.parametrize(("status", "seconds"), [(429, 300), (418, 7200)])
def test_a_venue_that_asks_to_be_left_alone_is_left_alone_by_all(
    store: Store, budget: RedisRateLimiter, status: int, seconds: int
) -> None:
    with pytest.raises(RateLimitedError) as refusal:
        fetch_btc(store, budget, answer(status, retry_after=str(seconds)))
    assert refusal.value.seconds == seconds
    with pytest.raises(RateLimitedError, match="accepts no requests"):
        fetch_btc(store, budget, answer())
    assert list(store.objects("")) == []


def test_a_used_up_budget_spares_the_venue(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[httpx.Request] = []
    this_minute = clock.now()
    monkeypatch.setattr(clock, "now", lambda: this_minute)  # the next minute has a budget of its own

    def ask(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer()(request)

    budget = RedisRateLimiter(FakeRedis(), "binance", 2 * 50)
    for _ in range(2):
        fetch_btc(store, budget, ask)
    with pytest.raises(RateLimitedError):
        fetch_btc(store, budget, ask)
    assert len(asked) == 2


def test_a_venue_that_does_not_answer_may_do_so_later(store: Store, budget: RedisRateLimiter) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with pytest.raises(VenueUnavailableError, match="does not answer: connection refused"):
        fetch_btc(store, budget, refuse)
    with pytest.raises(VenueUnavailableError, match="answered 503"):
        fetch_btc(store, budget, answer(503))


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (400, b'{"code":-1121,"msg":"Invalid symbol."}', "answered 400: .*Invalid symbol"),
        (200, b"<html>", "is not understood: "),
    ],
)
def test_an_answer_that_will_not_change_is_terminal(
    store: Store, budget: RedisRateLimiter, status: int, body: bytes, text: str
) -> None:
    with pytest.raises(VenueRefusedError, match=text):
        fetch_btc(store, budget, answer(status, body))


def test_without_a_date_the_time_of_receipt_places_the_book(store: Store, budget: RedisRateLimiter) -> None:
    key = fetch_btc(store, budget, lambda request: httpx.Response(200, content=BOOK))
    (record,) = codec.decode_records(BOOK_SNAPSHOTS, store.read(key))
    assert isinstance(record, BookSnapshot)
    assert record.sent_timestamp is None


def test_an_exchange_whose_stream_begins_with_a_book_is_not_asked(store: Store, budget: RedisRateLimiter) -> None:
    with pytest.raises(NoRestBookError, match="kraken declares no order books over REST"):
        fetch_book(exchange("kraken"), "BTC-USD", store, budget, httpx.Client())
