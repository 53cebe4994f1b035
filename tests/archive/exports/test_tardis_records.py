"""Trades, quotes, tickers and liquidations in Tardis's form: the whole files, written out."""

import pytest

from booktape.archive.exports import MarketFile
from booktape.model.records import DerivativeTicker, Liquidation, Quote, Trade
from tests.archive.exports.exporting import MIDNIGHT, World
from tests.merge.systems import put

TRADES = """\
exchange,symbol,timestamp,local_timestamp,id,side,price,amount
binance,BTCUSDT,1723161600001000,1723161600001500,1,buy,60000.10,0.50
binance,BTCUSDT,1723161600001000,1723161600001501,2,buy,60000.20,0.10
binance,BTCUSDT,1723161600003000,1723161600003000,3,sell,60000.30,0.10
binance,BTCUSDT,1723161600004000,1723161600004400,4,unknown,60000.40,1
"""

QUOTES = """\
exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount
binance,BTCUSDT,1723161600001000,1723161600001000,4,11.5,10.5,3
"""

TICKERS = """\
exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,open_interest,\
last_price,index_price,mark_price
binance-futures,BTCUSDT,1723161600001000,1723161600001200,,,,,,,60000.5
binance-futures,BTCUSDT,1723161600002000,1723161600002200,1723176000000000,0.0001,,,,60000.1,60000.6
"""

LIQUIDATIONS = """\
exchange,symbol,timestamp,local_timestamp,id,side,price,amount
binance-futures,BTCUSDT,1723161600001000,1723161600001700,,sell,59000,0.2
"""


def test_trades_stand_by_their_receipt_and_one_that_nobody_received_at_its_own_time(world: World) -> None:
    """Two trades of one message were received at once: the second one is a microsecond later in the file."""
    start = MIDNIGHT
    world.put(
        Trade(1, start + 1000, "buy", "60000.10", "0.50", start + 1500),
        Trade(2, start + 1000, "buy", "60000.20", "0.10", start + 1500),
        Trade(4, start + 4000, "unknown", "60000.40", "1", start + 4400),
    )
    assert world.systems.rest is not None
    fetched_next_day = start + 86_400_000_000
    put(world.systems.rest, Trade(3, start + 3000, "sell", "60000.30", "0.10", fetched_next_day))
    (file,) = world.export("trades")
    size = world.path(file).stat().st_size
    assert file == MarketFile("BTC-USDT", "binance/trades/2024/08/09/BTCUSDT.csv.gz", 4, size)
    assert world.text(file) == TRADES


def test_trades_of_two_systems_stand_by_what_their_clocks_told(world: World) -> None:
    """As in Tardis's files, where the order is that of receipt, not that of the ids."""
    world.put(Trade(1, MIDNIGHT + 1000, "buy", "1", "1", MIDNIGHT + 9000))
    world.put(Trade(2, MIDNIGHT + 2000, "buy", "1", "1", MIDNIGHT + 2500), replica=True)
    (file,) = world.export("trades")
    lines = world.text(file).splitlines()[1:]
    assert [line.split(",")[3:5] for line in lines] == [["1723161600002500", "2"], ["1723161600009000", "1"]]


def test_only_an_id_that_would_break_the_line_is_quoted(world: World) -> None:
    world.put(
        Trade('a,"b"', MIDNIGHT, "buy", "1", "1", MIDNIGHT + 1),
        Trade("c-d", MIDNIGHT, "buy", "1", "1", MIDNIGHT + 2),
    )
    (file,) = world.export("trades")
    first, second = world.text(file).splitlines()[1:]
    assert first == 'binance,BTCUSDT,1723161600000000,1723161600000001,"a,""b""",buy,1,1'
    assert second == "binance,BTCUSDT,1723161600000000,1723161600000002,c-d,buy,1,1"


def test_a_quote_without_exchange_time_has_that_of_its_receipt(world: World) -> None:
    world.put(Quote(7, None, "10.5", "3", "11.5", "4", MIDNIGHT + 1000))
    (file,) = world.export("quotes")
    assert file.key == "binance/quotes/2024/08/09/BTCUSDT.csv.gz"
    assert world.text(file) == QUOTES


def test_what_a_ticker_does_not_tell_is_empty_until_it_is_told(world: World) -> None:
    world.put(
        DerivativeTicker(timestamp=MIDNIGHT + 1000, mark_price="60000.5", local_timestamp=MIDNIGHT + 1200),
        DerivativeTicker(
            timestamp=MIDNIGHT + 2000,
            funding_timestamp=MIDNIGHT + 4 * 3600 * 1_000_000,
            funding_rate="0.0001",
            index_price="60000.1",
            mark_price="60000.6",
            local_timestamp=MIDNIGHT + 2200,
        ),
        market="BTC-USDT-PERP",
        exchange="binance-futures",
    )
    (file,) = world.export("derivative_ticker", "binance-futures")
    assert file.key == "binance-futures/derivative_ticker/2024/08/09/BTCUSDT.csv.gz"
    assert world.text(file) == TICKERS


def test_a_liquidation_may_have_no_id(world: World) -> None:
    world.put(
        Liquidation(
            timestamp=MIDNIGHT + 1000, side="sell", price="59000", amount="0.2", local_timestamp=MIDNIGHT + 1700
        ),
        market="BTC-USDT-PERP",
        exchange="binance-futures",
    )
    (file,) = world.export("liquidations", "binance-futures")
    assert file.key == "binance-futures/liquidations/2024/08/09/BTCUSDT.csv.gz"
    assert world.text(file) == LIQUIDATIONS


@pytest.mark.parametrize("size", [1, 2, 3])
def test_how_many_rows_are_held_at_once_shows_nowhere(world: World, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Late receipts put records into another part than their neighbours'."""
    delays = (0, 7000, 100, 100, 2500, 0, 0, 900)
    world.put(
        *(Trade(n, MIDNIGHT + n * 1000, "buy", "1", "1", MIDNIGHT + n * 1000 + delay) for n, delay in enumerate(delays))
    )
    (whole,) = world.export("trades")
    expected = world.text(whole)
    monkeypatch.setattr("booktape.archive.exports.tardis._PART_ROWS", size)
    (file,) = world.export("trades")
    assert world.text(file) == expected
    assert [int(line.split(",")[4]) for line in expected.splitlines()[1:]] == [0, 2, 3, 5, 6, 4, 7, 1]
