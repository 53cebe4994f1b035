"""The published CSV: Tardis's columns, quoted as Athena quotes."""

import pytest
from msgspec import Raw

from booktape.model import csv
from booktape.model.csv import COLUMNS, PUBLISHED, csv_rows
from booktape.model.records import (
    BOOK_UPDATES,
    TRADES,
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Liquidation,
    Quote,
    Trade,
)

TRADE = Trade(3735683259, 1723161255342000, "sell", "61837.63000000", "0.02000000", 1723161254087896)
UPDATE = BookUpdate(
    first_id=1,
    last_id=3,
    bids=Raw(b'[["61737.63","0"],["61737.64","2.0"]]'),
    asks=Raw(b'[["61838.04","0.3"]]'),
    local_timestamp=1723161253937085,
    sent_timestamp=1723161255208000,
)


def test_a_trade_is_one_row() -> None:
    expected = (
        "binance", "BTC-USDT", 1723161255342000, 1723161254087896,
        "3735683259", "sell", "61837.63000000", "0.02000000",
    )  # fmt: skip
    assert list(csv_rows("binance", "BTC-USDT", TRADE)) == [expected]


def test_a_book_message_is_a_row_for_each_level_bids_first_in_the_order_sent() -> None:
    begin = ("binance", "BTC-USDT", 1723161255208000, 1723161253937085, False)
    assert list(csv_rows("binance", "BTC-USDT", UPDATE)) == [
        (*begin, "bid", "61737.63", "0"),
        (*begin, "bid", "61737.64", "2.0"),
        (*begin, "ask", "61838.04", "0.3"),
    ]


def test_a_snapshot_says_so() -> None:
    snapshot = BookSnapshot(
        timestamp=5, bids=Raw(b'[["1","2"]]'), asks=Raw(b"[]"), origin="stream", local_timestamp=9, sent_timestamp=7
    )
    assert list(csv_rows("okx", "BTC-USDT", snapshot)) == [("okx", "BTC-USDT", 5, 9, True, "bid", "1", "2")]


def test_a_message_without_levels_has_no_rows() -> None:
    empty = BookUpdate(timestamp=5, bids=Raw(b"[]"), asks=Raw(b"[]"), local_timestamp=9)
    assert list(csv_rows("okx", "BTC-USDT", empty)) == []


@pytest.mark.parametrize(
    ("timestamp", "sent", "published"),
    [(5, 7, 5), (None, 7, 7), (None, None, 9)],
    ids=["the engine's time", "else that of sending", "else that of receipt"],
)
def test_a_quote_has_the_best_time_known(timestamp: int | None, sent: int | None, published: int) -> None:
    quote = Quote(1, timestamp, "10", "1", "11", "2", 9, sent)
    assert list(csv_rows("binance", "BTC-USDT", quote)) == [("binance", "BTC-USDT", published, 9, "2", "11", "10", "1")]


def test_a_ticker_is_one_row_in_which_what_it_does_not_tell_is_missing() -> None:
    ticker = DerivativeTicker(
        timestamp=5, funding_timestamp=80, funding_rate="0.0001", mark_price="10.5", local_timestamp=9
    )
    assert list(csv_rows("bybit", "BTC-USDT-PERP", ticker)) == [
        ("bybit", "BTC-USDT-PERP", 5, 9, 80, "0.0001", None, None, None, None, "10.5")
    ]


@pytest.mark.parametrize(("identifier", "published"), [(7, "7"), ("a", "a"), (None, None)])
def test_a_liquidation_is_one_row_with_its_id_if_it_has_one(
    identifier: int | str | None, published: str | None
) -> None:
    liquidation = Liquidation(id=identifier, side="sell", price="10.5", amount="2", local_timestamp=9, sent_timestamp=7)
    assert list(csv_rows("bybit", "BTC-USDT-PERP", liquidation)) == [
        ("bybit", "BTC-USDT-PERP", 7, 9, published, "sell", "10.5", "2")
    ]


def test_text_is_quoted_as_athena_quotes() -> None:
    text = csv.csv_text(
        BOOK_UPDATES, [("a", 'sy"m', 1, None, True, "bid", "0.10", ""), ("a", "s", 2, 3, False, "", "", "")]
    )
    assert text == (
        '"exchange","symbol","timestamp","local_timestamp","is_snapshot","side","price","amount"\n'
        '"a","sy""m","1",,"true","bid","0.10",""\n'
        '"a","s","2","3","false","","",""\n'
    )


def test_a_file_without_rows_is_its_header() -> None:
    assert (
        csv.csv_text(TRADES, []) == '"exchange","symbol","timestamp","local_timestamp","id","side","price","amount"\n'
    )


def test_names_and_columns_are_those_of_tardis() -> None:
    assert {PUBLISHED[data_type]: ",".join(columns) for data_type, columns in COLUMNS.items()} == {
        "trades": "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
        "incremental_book_L2": "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount",
        "quotes": "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount",
        "derivative_ticker": (
            "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,"
            "open_interest,last_price,index_price,mark_price"
        ),
        "liquidations": "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
    }
