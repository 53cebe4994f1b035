"""The newest of each market, kept in Redis beside the recording."""

import asyncio

import pytest
from fakeredis import FakeRedis, FakeServer
from msgspec import Raw

from booktape.capture.pipeline import Pipeline
from booktape.exchanges import exchange
from booktape.model.records import BookSnapshot, BookUpdate, Quote, Record, Trade
from booktape.store.live_cache import Latest, LiveCache, Top, latest, live_exchanges
from booktape.store.redis_errors import RedisUnavailableError
from workers.live_writer import LiveWriter

NOON = 1_723_204_800_000_000


def trade(number: int, price: str = "60000.10", received: int = 0) -> Trade:
    return Trade(number, NOON + number, "buy", price, "0.5", received or NOON + number + 50)


def raw(text: str) -> Raw:
    return Raw(text.encode())


def quote(number: int, bid: str, ask: str) -> Quote:
    return Quote(number, None, bid, "1", ask, "2", NOON + number)


class World:
    """A pipeline of one exchange, and what its live cache tells."""

    def __init__(self, name: str) -> None:
        self.pipeline = Pipeline(exchange(name), lambda batch: None, lambda gap: None)
        self.told: list[dict[str, Latest]] = []
        self.is_away = False
        self.live = LiveWriter(exchange(name), self.pipeline, self.write)

    def write(self, markets: dict[str, Latest]) -> None:
        if self.is_away:
            raise RedisUnavailableError("away")
        self.told.append(markets)

    def take(self, data_type: str, symbol: str, *records: Record) -> None:
        for record in records:
            self.pipeline.batcher(data_type, symbol).append(record, NOON)

    def tell(self) -> list[dict[str, Latest]]:
        before = len(self.told)
        asyncio.run(self.live.write_changes())
        return self.told[before:]


def test_of_many_records_the_newest_is_told_once() -> None:
    world = World("binance")
    world.take("trades", "BTCUSDT", *(trade(number) for number in range(1, 1_000)))
    world.take("quotes", "BTCUSDT", quote(1, "60000", "60001"), quote(2, "60000.1", "60001"))
    top = Top(NOON + 2, [("60000.1", "1")], [("60001", "2")], NOON + 2)
    assert world.tell() == [{"BTC-USDT": Latest(trade(999), top)}]
    assert world.tell() == []
    world.take("trades", "BTCUSDT", trade(1_000))
    assert world.tell() == [{"BTC-USDT": Latest(trade(1_000), top)}]


def test_only_markets_with_news_are_told() -> None:
    world = World("binance")
    world.take("trades", "BTCUSDT", trade(1))
    world.take("trades", "ETHUSDT", trade(7))
    assert world.tell() == [{"BTC-USDT": Latest(trade(1)), "ETH-USDT": Latest(trade(7))}]
    world.take("trades", "ETHUSDT", trade(8))
    assert world.tell() == [{"ETH-USDT": Latest(trade(8))}]


def test_what_redis_did_not_take_is_told_later_and_only_as_it_is_then() -> None:
    world = World("binance")
    world.is_away = True
    world.take("trades", "BTCUSDT", trade(1))
    world.take("trades", "ETHUSDT", trade(7))
    assert world.tell() == []
    world.take("trades", "BTCUSDT", trade(2))
    assert world.tell() == []
    world.is_away = False
    assert world.tell() == [{"BTC-USDT": Latest(trade(2)), "ETH-USDT": Latest(trade(7))}]


def test_a_book_that_a_checksum_vouches_for_is_told_ten_levels_deep() -> None:
    world = World("kraken")
    rule = world.pipeline.batcher("book_snapshots", "BTC/USD")
    bids = "[" + ",".join(f'["{100 - level}","1"]' for level in range(12)) + "]"
    rule.append(
        BookSnapshot(timestamp=NOON, bids=raw(bids), asks=raw('[["101","3"]]'), origin="stream", local_timestamp=NOON),
        NOON,
    )
    update = BookUpdate(timestamp=NOON + 1, bids=raw('[["100","0"]]'), asks=raw("[]"), local_timestamp=NOON + 9)
    world.take("book_updates", "BTC/USD", update)
    [told] = world.tell()
    top = told["BTC-USD"].top
    assert top is not None
    assert (top.bids[0], len(top.bids), top.asks) == (("99", "1"), 10, [("101", "3")])
    assert (top.timestamp, top.local_timestamp) == (NOON + 1, NOON + 9)


def test_a_venue_of_whole_books_tells_their_best_levels() -> None:
    world = World("upbit")
    book = BookSnapshot(
        timestamp=NOON, bids=raw('[["99","1"]]'), asks=raw('[["101","3"]]'), origin="stream", local_timestamp=NOON + 5
    )
    world.take("book_snapshots", "KRW-BTC", book)
    [told] = world.tell()
    assert list(told.values()) == [Latest(None, Top(NOON, [("99", "1")], [("101", "3")], NOON + 5))]


def test_readers_take_the_newest_of_what_the_workers_tell() -> None:
    redis = FakeRedis()
    a, b = LiveCache(redis, "binance", "primary-a"), LiveCache(redis, "binance", "replica-a")
    new = Top(NOON + 9, [("2", "1")], [("3", "1")], NOON + 9)
    a.write({"BTC-USDT": Latest(trade(5), Top(NOON, [("1", "1")], [], NOON)), "ETH-USDT": Latest(trade(1))})
    b.write({"BTC-USDT": Latest(trade(4), new)})
    assert latest(redis, "binance") == {"BTC-USDT": Latest(trade(5), new), "ETH-USDT": Latest(trade(1))}
    assert live_exchanges(redis) == ["binance"]
    assert latest(redis, "kraken") == {}


def test_what_a_worker_told_goes_when_it_tells_no_more() -> None:
    redis = FakeRedis()
    LiveCache(redis, "binance", "primary-a").write({"BTC-USDT": Latest(trade(5))})
    assert 0 < redis.ttl("booktape:live:binance:primary-a") <= 300


def test_a_field_of_another_version_is_passed_over() -> None:
    redis = FakeRedis()
    LiveCache(redis, "binance", "a").write({"BTC-USDT": Latest(trade(5))})
    redis.hset("booktape:live:binance:a", "ETH-USDT", b'{"trade": 7}')
    assert list(latest(redis, "binance")) == ["BTC-USDT"]


def test_without_redis_it_is_said_so() -> None:
    server = FakeServer()
    server.connected = False
    redis = FakeRedis(server=server)
    with pytest.raises(match="Redis does not answer"):
        LiveCache(redis, "binance", "a").write({"BTC-USDT": Latest(trade(5))})
    with pytest.raises(match="REDIS_URL"):
        latest(redis, "binance")
