"""Books in Tardis's form: the whole files written out, and the book that readers make of them."""

import csv
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booktape.archive.exports import MarketFile
from booktape.model.book import Book
from booktape.model.records import BookSnapshot, BookUpdate, levels
from tests.archive.exports.exporting import MIDNIGHT, World, open_world, snapshot, update

KEY = "binance/incremental_book_L2/2024/08/09/BTCUSDT.csv.gz"
HEADER = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"

WHOLE = (
    HEADER
    + """\
binance,BTCUSDT,1723161600002000,1723161600002501,true,bid,10,1
binance,BTCUSDT,1723161600002000,1723161600002501,true,bid,9,2
binance,BTCUSDT,1723161600002000,1723161600002501,true,ask,11,3
binance,BTCUSDT,1723161600003000,1723161600003500,false,bid,10,0
binance,BTCUSDT,1723161600003000,1723161600003500,false,bid,9.5,1
binance,BTCUSDT,1723161600003000,1723161600003500,false,ask,11,4
"""
)


def rows(world: World, file: MarketFile) -> list[list[str]]:
    """Receipt (µs after midnight), whether of a snapshot, side, price and amount of each row."""
    told = csv.DictReader(world.text(file).splitlines())
    return [
        [str(int(row["local_timestamp"]) - MIDNIGHT), row["is_snapshot"], row["side"], row["price"], row["amount"]]
        for row in told
    ]


def test_a_file_begins_with_the_first_snapshot_and_what_came_before_is_counted(world: World) -> None:
    """A snapshot over REST was received late; it stands directly behind the update that its id names."""
    world.put(
        update(1, bids=[("8", "1")]),
        update(2, asks=[("12", "1")]),
        snapshot(2, origin="rest", bids=[("10", "1"), ("9", "2")], asks=[("11", "3")], received=MIDNIGHT + 90_000),
        update(3, bids=[("10", "0"), ("9.5", "1")], asks=[("11", "4")]),
    )
    (file,) = world.export("book_updates")
    assert file == MarketFile("BTC-USDT", KEY, 6, world.path(file).stat().st_size, left_out=2)
    assert world.text(file) == WHOLE


def test_a_snapshot_before_all_updates_was_received_before_them(world: World) -> None:
    """The book of the day before, told at midnight by the venue's clock, while this machine's was behind."""
    world.put(
        snapshot(0, origin="derived", bids=[("10", "1")], received=MIDNIGHT),
        update(1, bids=[("10", "2")], received=MIDNIGHT - 700),
    )
    (file,) = world.export("book_updates")
    assert rows(world, file) == [["-701", "true", "bid", "10", "1"], ["-700", "false", "bid", "10", "2"]]


def test_receipts_rise_from_message_to_message_in_the_venues_order(world: World) -> None:
    """The replica's clock is ahead. Only it heard the second update, which must not come after the third."""
    world.put(snapshot(1, bids=[("10", "1")], asks=[("11", "1")]), update(3, bids=[("10", "3")]))
    world.put(update(2, bids=[("10", "2")], received=MIDNIGHT + 8000), replica=True)
    (file,) = world.export("book_updates")
    assert rows(world, file) == [
        ["1600", "true", "bid", "10", "1"],
        ["1600", "true", "ask", "11", "1"],
        ["8000", "false", "bid", "10", "2"],
        ["8001", "false", "bid", "10", "3"],
    ]


def test_a_later_snapshot_is_written_as_the_changes_that_it_makes(world: World) -> None:
    """What is no longer there goes, then its levels are set. 9 was gone before, 8 stands there as another text."""
    world.put(
        snapshot(1, bids=[("10", "1"), ("9", "1"), ("8.00", "5")], asks=[("11", "1"), ("12", "2")]),
        update(2, bids=[("9", "0"), ("8.0", "4"), ("7", "1")], asks=[("13", "3")]),
        snapshot(3, bids=[("10", "1"), ("9.5", "2"), ("8.00", "4")], asks=[("12", "2"), ("13", "5")]),
        update(4, asks=[("12", "0")]),
    )
    (file,) = world.export("book_updates")
    assert rows(world, file)[9:] == [
        ["3600", "false", "bid", "7", "0"],
        ["3600", "false", "bid", "8.0", "0"],
        ["3600", "false", "bid", "10", "1"],
        ["3600", "false", "bid", "9.5", "2"],
        ["3600", "false", "bid", "8.00", "4"],
        ["3600", "false", "ask", "11", "0"],
        ["3600", "false", "ask", "12", "2"],
        ["3600", "false", "ask", "13", "5"],
        ["4500", "false", "ask", "12", "0"],
    ]


def test_where_only_whole_books_are_sent_all_but_the_first_are_changes(world: World) -> None:
    """Else a reader that resets only where ``is_snapshot`` turns true would pile them up. The last one is empty."""
    world.put(
        snapshot(1, bids=[("10", "1")], asks=[("11", "1")]),
        snapshot(2, bids=[("10", "1")], asks=[("11", "1")]),
        snapshot(3, bids=[("10", "2")], asks=[("12", "1")]),
        snapshot(4),
        market="BTC-USD-PERP",
        exchange="hyperliquid",
    )
    (file,) = world.export("book_updates", "hyperliquid")
    assert file.key == "hyperliquid/incremental_book_L2/2024/08/09/BTC.csv.gz"
    assert rows(world, file) == [
        ["1600", "true", "bid", "10", "1"],
        ["1600", "true", "ask", "11", "1"],
        ["2600", "false", "bid", "10", "1"],
        ["2600", "false", "ask", "11", "1"],
        ["3600", "false", "bid", "10", "2"],
        ["3600", "false", "ask", "11", "0"],
        ["3600", "false", "ask", "12", "1"],
        ["4600", "false", "bid", "10", "0"],
        ["4600", "false", "ask", "12", "0"],
    ]


def test_an_empty_snapshot_does_not_begin_a_file(world: World) -> None:
    """It would have no rows, and the file would begin with changes."""
    world.put(snapshot(1), update(2, bids=[("8", "1")]), snapshot(3, bids=[("10", "1")]), update(4))
    (file,) = world.export("book_updates")
    assert rows(world, file) == [["3600", "true", "bid", "10", "1"]]
    assert file.left_out == 2


def test_a_book_without_a_snapshot_has_no_file(world: World) -> None:
    world.put(update(1, bids=[("8", "1")]), update(2, asks=[("12", "1")]))
    assert world.export("book_updates") == [MarketFile("BTC-USDT", None, 0, 0, left_out=2)]
    assert list(world.to.objects("binance")) == []


@pytest.mark.parametrize("size", [1, 3, 4])
def test_how_many_rows_are_held_at_once_shows_nowhere(world: World, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    world.put(
        update(1, bids=[("8", "1")]),
        snapshot(1, bids=[("10", "1"), ("9", "2")], asks=[("11", "3")]),
        update(2),
        snapshot(3, bids=[("9", "2")], asks=[("11", "4")]),
        snapshot(4, bids=[("9", "3")], asks=[("11", "5"), ("12", "1")]),
        update(5, bids=[("10", "1")]),
        snapshot(6, bids=[("10", "2")]),
    )
    (whole,) = world.export("book_updates")
    expected = world.text(whole)
    monkeypatch.setattr("booktape.archive.exports.tardis._PART_ROWS", size)
    (file,) = world.export("book_updates")
    assert world.text(file) == expected
    assert expected.count("\n") == 1 + 3 + 3 + 3 + 1 + 4


PRICES = st.sampled_from(["9", "9.0", "9.5", "10", "10.5"])
AMOUNTS = st.sampled_from(["0", "0.0", "1", "2"])
SIDE = st.lists(st.tuples(PRICES, AMOUNTS), max_size=3)
MESSAGES = st.lists(st.tuples(st.booleans(), SIDE, SIDE), min_size=1, max_size=12)


def resetting(told: list[dict[str, str]]) -> Iterator[Book]:
    """The book after each row, as Tardis's documentation says to read its files."""
    book, was_snapshot = Book(), False
    for row in told:
        is_snapshot = row["is_snapshot"] == "true"
        if is_snapshot and not was_snapshot:
            book = Book()
        was_snapshot = is_snapshot
        (book.bids if row["side"] == "bid" else book.asks).set(row["price"], row["amount"])
        yield book


def adding(told: list[dict[str, str]]) -> Iterator[Book]:
    """The book after each row, as loaders read that take every row for a change."""
    book = Book()
    for row in told:
        (book.bids if row["side"] == "bid" else book.asks).set(row["price"], row["amount"])
        yield book


def sides(book: Book) -> tuple[list[tuple[float, float]], ...]:
    return tuple([(float(p), float(a)) for p, a in side.top()] for side in (book.bids, book.asks))


@settings(max_examples=15, deadline=None)
@given(messages=MESSAGES)
def test_every_reader_has_the_book_after_each_message(messages: list[tuple[bool, list, list]]) -> None:  # type: ignore[type-arg]  # hypothesis's lists of pairs
    """By receipt: after the last row received until then, the book is the one that the messages make."""
    records: list[BookSnapshot | BookUpdate] = [
        snapshot(n, bids=bids, asks=asks) if is_snapshot else update(n, bids=bids, asks=asks)
        for n, (is_snapshot, bids, asks) in enumerate(messages, start=1)
    ]
    records.append(update(len(messages) + 1, bids=[("1", "1")]))  # a day without any level has no published file
    with TemporaryDirectory() as name:
        world = open_world(Path(name))
        world.put(*records)
        (file,) = world.export("book_updates")
        told = [] if file.key is None else list(csv.DictReader(world.text(file).splitlines()))
    book, begun, expected = Book(), False, {}
    for record in records:
        if isinstance(record, BookSnapshot):
            book = Book()
            begun = begun or bool(levels(record.bids) or levels(record.asks))
        book.apply(levels(record.bids), levels(record.asks))
        if begun:
            expected[record.local_timestamp] = sides(book)
    for reader in (resetting, adding):
        seen = {int(row["local_timestamp"]): sides(book) for row, book in zip(told, reader(told), strict=True)}
        before: tuple[list[tuple[float, float]], ...] = ([], [])
        for time, whole in expected.items():
            before = seen.get(time, before)
            assert before == whole, reader.__name__
