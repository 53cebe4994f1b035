"""What becomes of connections and subscriptions, as the ledger has it, stream by stream."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import Raw, json

from booktape import clock
from booktape.core.ledger import CONNECTED, DOWN, RESYNCING, SILENT, Gap, Line, decode
from booktape.core.records import BOOK_SNAPSHOTS, BOOK_UPDATES, QUOTES, SECOND, TRADES, BookSnapshot, Trade
from booktape.exchanges import exchange
from booktape.exchanges.spec import WHOLE_VENUE, Subscription
from booktape.feed.plan import subscriptions, venue_wide
from booktape.feed.uploader import Uploader
from booktape.recorder import GapSeen, Recorder
from booktape.storage import open_store
from workers.ledger import Ledger
from workers.watching import Watch

NOON = int(datetime(2024, 8, 8, 12, tzinfo=UTC).timestamp()) * SECOND
Told = list[tuple[str, int]]


class World:
    """A worker's watch over one exchange, by a clock that a test sets: ``now`` in seconds after noon."""

    def __init__(self, venue: str, symbol: str) -> None:
        self.now = 0.0
        self.exchange = exchange(venue)
        self.symbol = symbol
        self.market = self.exchange.market(symbol)
        self.gaps: list[GapSeen] = []
        self.recorder = Recorder(self.exchange, lambda batch: None, self.gaps.append)
        self.ledger = Ledger("a", NOON)
        self.watch = Watch(self.exchange, self.recorder, self.ledger)
        self.subscriptions = subscriptions(self.exchange, [symbol])
        self.watch.begun(self.subscriptions)

    @property
    def book(self) -> Subscription:
        assert self.exchange.book is not None
        return Subscription(self.exchange.book.name, self.symbol)

    def at(self, now: float, do: Callable[..., object], *arguments: object) -> None:
        self.now = now
        do(*arguments)

    def trade(self, now: float) -> None:
        trade = Trade(int(10 * now), NOON, "buy", "1", "1", self.time(now))
        self.recorder.stream(TRADES, self.symbol).append(trade, NOON)

    def snapshot(self, now: float) -> None:
        book = BookSnapshot(bids=Raw(b"[]"), asks=Raw(b"[]"), origin="stream", local_timestamp=self.time(now))
        self.recorder.stream(BOOK_SNAPSHOTS, self.symbol).insert(book, NOON)

    def time(self, now: float) -> int:
        return NOON + int(now * SECOND)

    def lines(self, end: float) -> dict[tuple[str, str], Line]:
        (segment,) = self.ledger.close(self.time(end))
        return {(line.data_type, line.market): line for line in segment.lines}

    def told(self, end: float) -> dict[str, Told]:
        """Each data type's states, with the seconds after noon at which they began."""
        return {
            data_type: [(state, (start - NOON) // SECOND) for state, start, _ in line.states]
            for (data_type, _), line in self.lines(end).items()
        }


@pytest.fixture
def of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    def make(venue: str, symbol: str) -> World:
        monkeypatch.setattr(clock, "now", lambda: NOON)
        world = World(venue, symbol)
        monkeypatch.setattr(clock, "now", lambda: world.time(world.now))
        return world

    return make


def test_streams_are_down_until_connected_and_a_book_is_not_whole_until_its_snapshot_has_come(
    of: Callable[..., World],
) -> None:
    world = of("kraken", "BTC/USD")
    world.at(3, world.watch.connected, world.subscriptions)
    world.at(4, world.watch.look)
    world.snapshot(5)
    world.at(6, world.watch.look)
    book = [(DOWN, 0), (RESYNCING, 3), (CONNECTED, 5)]
    assert world.told(20) == {TRADES: [(DOWN, 0), (CONNECTED, 3)], BOOK_SNAPSHOTS: book, BOOK_UPDATES: book}


def test_streams_that_are_being_asked_for_are_down_until_they_are_heard_or_all_are_asked_for(
    of: Callable[..., World],
) -> None:
    world = of("coinbase", "BTC-USD")
    world.at(3, world.watch.asked, world.subscriptions)
    world.trade(5)
    world.at(6, world.watch.look)
    world.at(9, world.watch.joined, world.subscriptions)
    told = world.told(20)
    assert told[TRADES] == [(DOWN, 0), (CONNECTED, 5)]
    assert told[QUOTES] == [(DOWN, 0), (CONNECTED, 9)]
    assert told[BOOK_UPDATES] == [(DOWN, 0), (RESYNCING, 3)]


def test_a_book_whose_snapshots_come_over_rest_is_connected_at_once(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.at(3, world.watch.connected, world.subscriptions)
    assert world.told(20) == {kind: [(DOWN, 0), (CONNECTED, 3)] for kind in (TRADES, BOOK_UPDATES, QUOTES)}


def test_a_lost_connection_counts_from_its_last_record_on_any_of_its_streams(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.at(3, world.watch.connected, world.subscriptions)
    world.trade(10)
    world.at(25, world.watch.disconnected, world.subscriptions)
    world.at(26, world.watch.disconnected, world.subscriptions)  # it could not be made anew
    world.at(30, world.watch.connected, world.subscriptions)
    assert world.told(40)[BOOK_UPDATES] == [(DOWN, 0), (CONNECTED, 3), (DOWN, 10), (CONNECTED, 30)]


def test_a_lost_connection_of_quiet_markets_counts_from_one_minute_ago(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.at(3, world.watch.connected, world.subscriptions)
    world.trade(10)
    world.at(250, world.watch.disconnected, world.subscriptions)
    assert world.told(300)[TRADES][-1] == (DOWN, 190)


def test_a_silent_stream_is_connected_again_when_it_is_heard(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.at(0, world.watch.connected, world.subscriptions)
    world.trade(1)
    world.at(100, world.watch.silent, TRADES, world.symbol)
    world.at(101, world.watch.look)
    world.at(200, world.watch.silent, TRADES, world.symbol)
    world.trade(300)
    world.at(301, world.watch.look)
    told = world.told(400)
    assert told[TRADES] == [(CONNECTED, 0), (SILENT, 100), (CONNECTED, 300)]
    assert told[BOOK_UPDATES] == [(CONNECTED, 0)]


def test_silence_of_a_books_updates_is_that_of_its_snapshots_too(of: Callable[..., World]) -> None:
    world = of("coinbase", "BTC-USD")
    world.at(0, world.watch.connected, world.subscriptions)
    world.snapshot(1)
    world.at(1, world.watch.look)
    world.at(70, world.watch.silent, BOOK_UPDATES, world.symbol)
    told = world.told(90)
    assert told[BOOK_UPDATES] == told[BOOK_SNAPSHOTS] == [(RESYNCING, 0), (CONNECTED, 1), (SILENT, 70)]


def test_what_is_not_connected_is_not_silent(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.at(100, world.watch.silent, TRADES, world.symbol)
    assert world.told(200)[TRADES] == [(DOWN, 0)]


def test_a_book_asked_for_anew_waits_for_another_snapshot(of: Callable[..., World]) -> None:
    world = of("kraken", "BTC/USD")
    world.at(0, world.watch.connected, world.subscriptions)
    world.snapshot(1)
    world.at(1, world.watch.look)
    world.at(10, world.watch.resyncing, world.book)
    world.at(11, world.watch.look)
    world.snapshot(12)
    world.at(13, world.watch.look)
    told = world.told(20)
    assert told[BOOK_UPDATES] == [(RESYNCING, 0), (CONNECTED, 1), (RESYNCING, 10), (CONNECTED, 12)]
    assert told[TRADES] == [(CONNECTED, 0)]


def test_a_connection_that_takes_over_changes_nothing_but_for_streams_that_waited_for_it(
    of: Callable[..., World],
) -> None:
    world = of("kraken", "BTC/USD")
    world.at(0, world.watch.connected, world.subscriptions)
    world.snapshot(1)
    world.at(2, world.watch.look)
    more = subscriptions(world.exchange, ["ETH/USD"])
    world.at(5, world.watch.begun, more)
    world.at(8, world.watch.joined, [*world.subscriptions, *more])
    lines = world.lines(10)
    assert [state.state for state in lines[BOOK_UPDATES, "BTC-USD"].states] == [RESYNCING, CONNECTED]
    assert [state.state for state in lines[TRADES, "ETH-USD"].states] == [DOWN, CONNECTED]


def test_a_snapshot_that_came_while_another_connection_took_over_a_lost_one_is_not_waited_for(
    of: Callable[..., World],
) -> None:
    world = of("kraken", "BTC/USD")
    world.at(0, world.watch.connected, world.subscriptions)
    world.snapshot(1)
    world.at(2, world.watch.look)
    world.trade(5)
    world.at(10, world.watch.disconnected, world.subscriptions)
    world.snapshot(11)
    world.at(12, world.watch.joined, world.subscriptions)
    world.at(13, world.watch.look)
    states = world.told(20)[BOOK_UPDATES]
    assert [state for state, _ in states] == [RESYNCING, CONNECTED, DOWN, CONNECTED]


def test_a_channel_for_all_markets_is_one_stream(of: Callable[..., World]) -> None:
    world = of("bitmex", "XBTUSD")
    world.watch.begun(venue_wide(world.exchange))
    assert ("liquidations", "*") in world.lines(10)
    assert {one.symbol for one in venue_wide(world.exchange)} == {WHOLE_VENUE}


def test_missing_ids_are_told_as_they_are(of: Callable[..., World]) -> None:
    world = of("coinbase", "BTC-USD")
    world.now = 7
    world.watch.gap(GapSeen(TRADES, "BTC-USD", 5, 9, kind="ids"), [])
    assert world.lines(10)[TRADES, "BTC-USD"].gaps == [Gap(5, 9, "ids", NOON + 7 * SECOND)]


def test_where_only_the_beginning_is_known_a_gap_lasts_until_now(of: Callable[..., World]) -> None:
    world = of("binance", "BTCUSDT")
    world.now = 7
    world.watch.gap(GapSeen(BOOK_UPDATES, "BTC-USDT", 3, 3, kind="time", span=(NOON + 2, None)), [])
    assert world.lines(10)[BOOK_UPDATES, "BTC-USDT"].gaps == [
        Gap(NOON + 2, NOON + 7 * SECOND, "time", NOON + 7 * SECOND)
    ]


def test_missing_frames_are_told_in_each_stream_that_only_their_connections_counter_vouches_for(
    of: Callable[..., World],
) -> None:
    world = of("coinbase", "BTC-USD")
    connection = world.recorder.connection()
    for number, received in ((1, NOON + 10), (2, NOON + 20), (5, NOON + 60)):
        frame = {"channel": "heartbeats", "timestamp": "2024-08-08T12:00:00Z", "sequence_num": number, "events": []}
        connection.feed(json.encode(frame), received)
    (gap,) = world.gaps
    assert (gap.data_type, gap.first, gap.last, gap.kind, gap.span) == ("*", 3, 4, "counter", (NOON + 20, NOON + 60))
    world.now = 1
    world.watch.gap(gap, world.subscriptions)
    told = {data_type: line.gaps for (data_type, _), line in world.lines(10).items()}
    missing = [Gap(NOON + 20, NOON + 60, "counter", NOON + SECOND)]
    assert told == {TRADES: [], BOOK_SNAPSHOTS: missing, BOOK_UPDATES: missing, QUOTES: missing}


def test_segments_become_objects(of: Callable[..., World], tmp_path: Path) -> None:
    world = of("binance", "BTCUSDT")
    store = open_store((tmp_path / "store").as_uri())
    uploader = Uploader(store, open_store((tmp_path / "spool").as_uri()), "binance", lambda key, error: None)
    world.at(1, world.watch.connected, world.subscriptions)
    world.at(599, world.watch.write, uploader)
    world.at(601, world.watch.write, uploader)
    world.at(700, world.watch.close, uploader)
    uploader.close()
    prefix = "ledger/exchange=binance/year=2024/month=08/day=08"
    found = {item.key: decode(store.read(item.key)) for item in store.objects("")}
    assert sorted(found) == [f"{prefix}/120000_a.json.gz", f"{prefix}/121000_a.json.gz"]
    assert [(line.data_type, line.start - NOON) for line in found[f"{prefix}/121000_a.json.gz"]] == [
        (data_type, 600 * SECOND) for data_type in (BOOK_UPDATES, QUOTES, TRADES)
    ]
    assert uploader.uploads.segments == 2
