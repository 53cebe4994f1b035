"""What a merged file must be before it may be published."""

from collections.abc import Sequence
from datetime import date
from hashlib import sha256

import pytest

from booktape.integrity.csv_check import CsvFindings, EpochIds, InvalidFileError, MarketRows, read_csv, valid_times
from booktape.model import csv
from booktape.model.records import BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, TRADES
from booktape.model.sequence import CONTIGUOUS, MONOTONIC, SEQUENCED

Row = tuple[str, int, int]
Closed = tuple[int, str | None, str | None]


def trades(*rows: Row) -> bytes:
    """A file of trades from (market, time, id)."""
    return csv.csv_text(
        TRADES, [("binance", market, time, time, str(id), "buy", "1.5", "2") for market, time, id in rows]
    ).encode()


def check(content: bytes, rule: str = CONTIGUOUS, chunk: int = 7) -> CsvFindings:
    """Check a file that arrives in small chunks."""
    chunks = [content[start : start + chunk] for start in range(0, len(content), chunk)]
    return read_csv(chunks, TRADES, rule, exchange="binance", times=range(100))


def described(findings: CsvFindings) -> dict[str, tuple[object, ...]]:
    """Each market's rows, first and last id, missing ids and gaps."""
    return {
        name: (market.rows, market.first_id, market.last_id, market.missing, market.gaps)
        for name, market in findings.markets.items()
    }


def read_book(rows: Sequence[csv.Row]) -> CsvFindings:
    return read_csv([csv.csv_text(BOOK_UPDATES, rows).encode()], BOOK_UPDATES, "ranged", exchange="binance", times=None)


def check_liquidations(*rows: Closed) -> CsvFindings:
    """Check a file of liquidations from (time, id, price), of a venue whose trades' ids are contiguous."""
    content = csv.csv_text(
        LIQUIDATIONS, [("binance", "A", time, time, identifier, "buy", price, "2") for time, identifier, price in rows]
    )
    return read_csv([content.encode()], LIQUIDATIONS, CONTIGUOUS, exchange="binance", times=None)


def check_tickers(*rows: tuple[str, int, str | None, str | None]) -> CsvFindings:
    """Check a file of tickers from (market, time, open interest, mark price)."""
    content = csv.csv_text(
        DERIVATIVE_TICKER,
        [
            ("binance", market, time, time, None, None, None, interest, None, None, mark)
            for market, time, interest, mark in rows
        ],
    )
    return read_csv([content.encode()], DERIVATIVE_TICKER, CONTIGUOUS, exchange="binance", times=None)


def test_a_complete_file_is_counted_and_hashed() -> None:
    content = trades(("A", 1, 10), ("B", 1, 7), ("A", 2, 11))
    _, first, of_b, second = content.splitlines(keepends=True)
    assert check(content) == CsvFindings(
        rows=3,
        bytes=len(content),
        sha256=sha256(content).hexdigest(),
        markets={
            "A": MarketRows(2, 10, 11, 0, 0, sha256=sha256(first + second).hexdigest()),
            "B": MarketRows(1, 7, 7, 0, 0, sha256=sha256(of_b).hexdigest()),
        },
        expected=3,
        ids={"A": [EpochIds(10, 11, [])], "B": [EpochIds(7, 7, [])]},
    )


def test_missing_ids_are_counted_for_each_market() -> None:
    found = check(trades(("A", 1, 1), ("A", 2, 2), ("A", 3, 5), ("A", 4, 9), ("B", 5, 7)))
    assert described(found)["A"] == (4, 1, 9, 5, 2)
    assert found.ids["A"][0].missing == [(3, 4), (6, 8)]
    assert found.completeness == 5 / 10


def test_ids_need_not_rise_with_the_engines_time() -> None:
    assert check(trades(("A", 1, 2), ("A", 2, 1), ("A", 3, 3))).completeness == 1


def test_ids_of_one_moment_are_in_the_order_in_which_the_merge_puts_them() -> None:
    """By their number of digits, where there is nothing else in them; texts come first."""
    rows: list[csv.Row] = [
        ("binance", "A", 100, 101, identifier, "buy", "1", "2") for identifier in ("abc", "0", "12", "0001")
    ]

    def read_all(rows: list[csv.Row]) -> int:
        content = csv.csv_text(TRADES, rows).encode()
        return read_csv([content], TRADES, "none", exchange="binance", times=None).rows

    assert read_all(rows) == 4
    with pytest.raises(InvalidFileError, match="line 3: A has the id abc after 0"):
        read_all([rows[1], rows[0]])


@pytest.mark.parametrize("rule", [MONOTONIC, SEQUENCED])
def test_where_ids_cannot_show_loss_the_file_is_unverifiable_not_complete(rule: str) -> None:
    """Under ``sequenced`` other numbers than the ids show it, which are not in the file."""
    found = check(trades(("A", 1, 1), ("A", 2, 5)), rule)
    assert found.completeness is None
    assert described(found)["A"] == (2, "1", "5", None, None)


def test_a_file_without_rows_is_no_share_of_anything() -> None:
    assert check(trades()).completeness == 0


def test_book_rows_of_one_message_may_share_their_time() -> None:
    rows = [("binance", "A", 1, 1, False, "bid", "1", "2"), ("binance", "A", 1, 1, False, "bid", "2", "0")]
    found = read_book(rows)
    assert (found.rows, found.completeness, found.updates) == (2, None, 2)


def test_the_updates_of_a_book_are_counted_apart_from_its_snapshots() -> None:
    assert read_book([("binance", "A", 1, 1, True, "bid", "1", "2")]).updates == 0


def test_liquidations_may_lack_ids_and_their_ids_show_no_loss() -> None:
    found = check_liquidations((1, None, "10"), (1, None, "10"), (1, "4", "10"), (2, "9", "10"))
    assert (found.rows, found.completeness) == (4, None)
    assert described(found) == {"A": (4, None, "9", None, None)}


def test_a_liquidations_id_may_stand_at_several_prices() -> None:
    assert check_liquidations((1, "4", "10"), (1, "4", "9")).rows == 2


def test_tickers_may_lack_what_was_not_told_yet() -> None:
    found = check_tickers(("A", 1, None, "10"), ("B", 1, "5", None), ("A", 2, "7", "10"))
    assert (found.rows, found.completeness) == (3, None)


def test_tickers_that_are_not_filled_forward_are_refused() -> None:
    with pytest.raises(InvalidFileError, match="line 4: A has no mark_price although an earlier row has"):
        check_tickers(("A", 1, None, "10"), ("B", 1, "5", None), ("A", 2, "7", None))


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([(1, "9", "10"), (1, "8", "10")], "line 3: A has the id 8 after 9"),
        ([(1, None, None)], "line 2: a row without price"),
    ],
)
def test_liquidations_with_a_fault_of_form_are_refused(rows: list[Closed], fault: str) -> None:
    with pytest.raises(InvalidFileError, match=fault):
        check_liquidations(*rows)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "line 1: the header is not exchange,symbol,timestamp"),
        (b'"a","b"\n', "line 1: the header is not exchange,symbol,timestamp"),
        (trades(("A", 1, 1)) + b'"binance","A"\n', "line 3: 2 fields instead of 8"),
        (trades(("A", 2, 1), ("A", 1, 2)), "line 3: A at 1 stands after A at 2"),
        (trades(("B", 1, 1), ("A", 1, 1)), "line 3: A at 1 stands after B at 1"),
        (trades(("A", 1, 10), ("A", 1, 9)), "line 3: A has the id 9 after 10"),
        (trades(("A", 1, 9), ("A", 1, 9)), "line 3: A has the id 9 twice"),
        (trades(("A", 1, 9), ("A", 2, 10), ("A", 3, 9)), "line 4: A has the id 9 twice"),
        (trades(("A", 1, 1))[:-3], "line 2: the last line is incomplete"),
        (trades(("A", 1, 1)) + b'"binance","A","x","1","1","buy","1","1"\n', "line 3: invalid literal"),
        (trades() + b'"kraken","A","1","1","1","buy","1","1"\n', "line 2: a row of 'kraken' instead of binance"),
        (trades() + b'"binance","","1","1","1","buy","1","1"\n', "line 2: a row without symbol"),
        (trades() + b'"binance","A","1","1",,"buy","1","1"\n', "line 2: a row without id"),
        (trades() + b'"binance","A","1","1","1",,"1","1"\n', "line 2: a row without side"),
        (trades() + b'"binance","A","1","1","1","buy",,"1"\n', "line 2: a row without price"),
        (trades() + b'"binance","A","1","1","1","buy","1",\n', "line 2: a row without amount"),
        (trades(("A", 100, 1)), "line 2: the time 100 is not of that day"),
    ],
)  # fmt: skip
def test_a_fault_of_form_is_refused_with_its_line(content: bytes, fault: str) -> None:
    with pytest.raises(InvalidFileError, match=fault):
        check(content)


def test_a_row_of_another_day_is_refused_unless_its_time_is_its_receipts() -> None:
    """Of books, quotes, tickers and liquidations without any exchange time; trades have one everywhere."""

    def liquidation(time: int, received: int) -> bytes:
        return csv.csv_text(LIQUIDATIONS, [("binance", "A", time, received, None, "buy", "1", "2")]).encode()

    def read_one(content: bytes, data_type: str) -> int:
        return read_csv([content], data_type, "none", exchange="binance", times=range(100, 200)).rows

    assert read_one(liquidation(99, 99), LIQUIDATIONS) == 1
    with pytest.raises(InvalidFileError, match="line 2: the time 99 is not of that day"):
        read_one(liquidation(99, 101), LIQUIDATIONS)
    with pytest.raises(InvalidFileError, match="line 2: the time 99 is not of that day"):
        read_one(trades(("A", 99, 1)), TRADES)

    def book(*times: tuple[int, int]) -> bytes:
        rows = [("binance", "A", time, received, False, "bid", "1", "2") for time, received in times]
        return csv.csv_text(BOOK_UPDATES, rows).encode()

    assert read_one(book((150, 150), (300, 300), (300, 302)), BOOK_UPDATES) == 3  # a snapshot has the time before it
    with pytest.raises(InvalidFileError, match="line 4: the time 301 is not of that day"):
        read_one(book((150, 150), (300, 300), (301, 302)), BOOK_UPDATES)


def test_a_days_times_are_its_own_and_of_a_book_a_minute_more() -> None:
    begin, end = 1723161600_000_000, 1723248000_000_000
    assert valid_times(TRADES, date(2024, 8, 9)) == range(begin, end)
    assert valid_times(BOOK_UPDATES, date(2024, 8, 9)) == range(begin - 60_000_000, end + 60_000_000)
