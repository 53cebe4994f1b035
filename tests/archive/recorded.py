"""A small archive of Binance's BTC-USDT on 2024-08-09, for tests: trades, a book and quotes of its first minutes."""

from collections.abc import Iterable
from itertools import groupby

from msgspec import Raw

from booktape.model.records import MINUTE, SECOND, BookSnapshot, BookUpdate, Quote, Record, Trade, record_time
from booktape.store.objects import Store
from tests.archive.uptime_logs import at
from tests.merge.systems import put

MIDNIGHT = at("2024-08-09")
MARKET = ("binance", "BTC-USDT")


def trade(number: int) -> Trade:
    """The ``number``-th trade, so many seconds after midnight."""
    return Trade(
        number, MIDNIGHT + number * SECOND, "buy", f"{60_000 + number}.10", "0.5", MIDNIGHT + number * SECOND + 9
    )


def update(number: int) -> BookUpdate:
    """The update with this id, so many seconds after midnight; it sets the bid 100 to the amount of its id."""
    time = MIDNIGHT + number * SECOND
    bids, asks = Raw(b'[["100.0","%d"]]' % number), Raw(b"[]")
    return BookUpdate(
        first_id=number, last_id=number, bids=bids, asks=asks, local_timestamp=time + 9, sent_timestamp=time
    )


def snapshot(number: int) -> BookSnapshot:
    """A book over REST after the update with this id."""
    time = MIDNIGHT + number * SECOND
    bids, asks = Raw(b'[["100.0","%d"],["99.0","1"]]' % number), Raw(b'[["101.0","2"]]')
    return BookSnapshot(last_id=number, bids=bids, asks=asks, origin="rest", local_timestamp=time + 500_000)


def quote(number: int) -> Quote:
    """As Binance sends them: without any time."""
    return Quote(number, None, "100.0", f"{number}", "101.0", "2", MIDNIGHT + number * SECOND + 9)


def record(store: Store, *records: Record) -> None:
    """Store records of one type: a batch for each minute, and a new one after each hole in their numbers."""
    numbered = enumerate(records)

    def run(item: tuple[int, Record]) -> tuple[int, int]:
        place, one = item
        number: int = getattr(one, "id", 0) or getattr(one, "last_id", 0)
        return record_time(one) // MINUTE, number - place

    for _, some in groupby(numbered, run):
        put(store, *(one for _, one in some))


def record_minutes(store: Store, numbers: Iterable[int], *, without: Iterable[int] = ()) -> None:
    """Trades and updates with these numbers, but for some, and the book after the first of them."""
    kept = sorted(set(numbers) - set(without))
    record(store, *map(trade, kept))
    record(store, *map(update, kept))
    record(store, snapshot(kept[0]))
