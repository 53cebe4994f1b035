"""``booktape export``: what it writes, what it tells, and what it says where there is nothing to export."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from booktape.store.objects import open_store
from tests.cli.conftest import Outcome
from tests.publish.recordings import store_trades

DAY = "2024-08-09"

CSV = """\
exchange,symbol,timestamp,local_timestamp,id,side,price,amount
binance,BTCUSDT,1723161601000000,1723161601001000,1,buy,60001.10,0.5
binance,BTCUSDT,1723161602000000,1723161602001000,2,sell,60002.10,0.5
"""


@pytest.fixture
def exported(booktape: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """``exported("binance", …)`` is what ``booktape export binance …`` is in a shell."""
    return lambda *arguments: booktape("export", *arguments)


@pytest.fixture
def tape(booktape: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage with a published day of two markets."""
    sources = {"binance-trades": {"exchange": "binance", "data_type": "trades"}}
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump(sources))
    monkeypatch.setenv("BOOKTAPE_SOURCES", str(tmp_path / "sources.yaml"))
    monkeypatch.setenv("BOOKTAPE_STORAGE", str(tmp_path / "tape"))
    store = open_store(str(tmp_path / "tape"))
    store_trades(store, range(1, 3))
    store_trades(store, range(5, 9), market="ETH-USDT")
    outcome = booktape("nightly", "--day", DAY)
    assert outcome.status == 0, outcome.err
    return tmp_path / "tape"


def test_a_published_day_becomes_a_file_for_each_market(
    exported: Callable[..., Outcome], tape: Path, tmp_path: Path
) -> None:
    outcome = exported("binance", "trades", DAY, "--to", str(tmp_path / "out"))
    assert outcome.status == 0, outcome.err
    folder = tmp_path / "out/binance/trades/2024/08/09"
    assert sorted(path.name for path in folder.iterdir()) == ["BTCUSDT.csv.gz", "ETHUSDT.csv.gz"]
    assert gzip.decompress((folder / "BTCUSDT.csv.gz").read_bytes()).decode() == CSV
    assert "binance/trades/2024/08/09/BTCUSDT.csv.gz" in outcome.out
    assert f"from binance-trades {DAY} run 1, to {(tmp_path / 'out').as_uri()}" in outcome.out


def test_programs_are_told_the_keys(exported: Callable[..., Outcome], tape: Path, tmp_path: Path) -> None:
    """Tardis's name of the data type does as well, and markets are chosen by globs."""
    arguments = ("--to", str(tmp_path / "out"), "--form", "hive", "--markets", "ETH-*", "--json")
    outcome = exported("binance", "trades", DAY, *arguments)
    assert outcome.status == 0, outcome.err
    key = f"trades/exchange=binance/symbol=ETH-USDT/date={DAY}/part.parquet"
    size = (tmp_path / "out" / key).stat().st_size
    assert json.loads(outcome.out) == {
        "source": "binance-trades",
        "day": DAY,
        "run": 1,
        "to": (tmp_path / "out").as_uri(),
        "files": [{"market": "ETH-USDT", "key": key, "rows": 4, "bytes": size, "left_out": 0}],
    }


def test_a_path_is_told_whole_on_a_narrow_terminal(
    exported: Callable[..., Outcome], tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    outcome = exported("binance", "trades", DAY, "--to", str(tmp_path / "out"), "--form", "hive")
    assert "…" not in outcome.out


def test_the_newest_run_is_taken(
    booktape: Callable[..., Outcome], exported: Callable[..., Outcome], tape: Path, tmp_path: Path
) -> None:
    store_trades(open_store(str(tape)), range(3, 5))
    assert booktape("republish", "binance-trades", DAY, "--now").status == 0
    outcome = exported("binance", "trades", DAY, "--to", str(tmp_path / "out"), "--markets", "BTC-USDT", "--json")
    told = json.loads(outcome.out)
    assert (told["run"], told["files"][0]["rows"]) == (2, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("binance", "trades", "2024-08-10"),
            "error: binance-trades of 2024-08-10 is not published; published are: 2024-08-09. "
            "`booktape nightly --day 2024-08-10 --source binance-trades` publishes a day that was recorded\n",
        ),
        (
            ("binance", "quotes", DAY),
            "error: {tape} has no published quotes of binance; `booktape nightly` publishes a day\n",
        ),
        (
            ("binance", "candles", DAY),
            "error: unknown data type 'candles'; there are: "
            "trades, book_updates, quotes, derivative_ticker, liquidations\n",
        ),
        (("binance", "trades", "9 August"), "error: '9 August' is not a day; expected a date such as 2019-10-25\n"),
        (("binance", "trades", DAY, "--form", "csv"), "error: unknown form 'csv'; there are: tardis, hive\n"),
        (
            ("binance", "trades", DAY, "--markets", "DOGE-USDT"),
            "error: no records of 'DOGE-USDT' on that day; there are: BTC-USDT, ETH-USDT\n",
        ),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_line(
    exported: Callable[..., Outcome], tape: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    outcome = exported(*arguments, "--to", str(tmp_path / "out"))
    assert (outcome.status, outcome.out, outcome.err) == (1, "", message.replace("{tape}", tape.as_uri()))
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_an_unknown_exchange_is_refused(exported: Callable[..., Outcome], tape: Path, tmp_path: Path) -> None:
    outcome = exported("mtgox", "trades", DAY, "--to", str(tmp_path / "out"))
    assert outcome.status == 1
    assert outcome.err.startswith("error: unknown exchange 'mtgox'; there are: binance, ")
