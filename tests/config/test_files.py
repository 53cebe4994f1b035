"""The sources and venues files: what they say, and how a mistake in them is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from booktape.exchanges import exchange
from booktape.exchanges.spec import Channel
from booktape.publish import sources
from booktape.publish.sources import DataSource, Product
from config.files import InvalidConfigurationError
from config.sources import load_sources
from config.venues import Venue, load_venues

BARS = "a:\n  exchange: binance\n  data_type: trade_bars\n"
TRADES = "b:\n  exchange: binance\n  data_type: trades\n"


def written(directory: Path, text: str) -> Path:
    path = directory / "file.yaml"
    path.write_text(text)
    return path


def test_the_sources_that_come_with_booktape() -> None:
    sources = load_sources()
    assert sorted(sources) == [
        "binance-book-updates", "binance-quotes", "binance-trades", "coinbase-book-updates", "coinbase-quotes",
        "coinbase-trades", "kraken-book-updates", "kraken-trades",
    ]  # fmt: skip
    assert sources["binance-trades"] == DataSource("binance-trades", "binance", "trades")


def test_a_source_with_a_data_set_and_products(tmp_path: Path) -> None:
    text = """
spot:
  exchange: binance
  data_type: trades
  threshold: 0.99
  data_set: 1a2b
  products:
    - entity: prod-1
      mode: auto
    - entity: prod-2
"""
    products = (Product("prod-1", "auto"), Product("prod-2", "verify"))
    assert load_sources(written(tmp_path, text)) == {
        "spot": DataSource("spot", "binance", "trades", 0.99, "1a2b", products)
    }


def test_computed_sources_and_files_for_each_market(tmp_path: Path) -> None:
    text = f"""
{BARS}  every: 60
{TRADES}  market_files: true
tops:
  exchange: binance
  data_type: book_snapshot_25
  of: books
books:
  exchange: binance
  data_type: book_updates
"""
    assert load_sources(written(tmp_path, text)) == {
        "a": DataSource("a", "binance", "trade_bars", every=60.0),
        "b": DataSource("b", "binance", "trades", market_files=True),
        "tops": DataSource("tops", "binance", "book_snapshot_25", of="books"),
        "books": DataSource("books", "binance", "book_updates"),
    }


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: [", "line 1: expected the node content"),
        ("- a", "expected a mapping of names to definitions"),
        ("a:", "line 1: a.exchange: Field required"),
        ("a:\n  exchange: binance\n  data_type: trads", "line 3: a.data_type: Input should be 'trades'"),
        ("a:\n  exchange: bnance\n  data_type: trades", "line 2: a.exchange: unknown exchange 'bnance'; there are: "),
        ("a:\n  exchange: kraken\n  data_type: quotes", "line 3: a.data_type: kraken has no quotes"),
        ("a:\n  exchange: binance\n  data_type: trades\n  colour: red", "line 4: a.colour: Unexpected keyword"),
        ("a:\n  exchange: binance\n  data_type: trades\na: {}", "line 4: a: is a repeated key"),
        ("a:\n  exchange: binance\n  data_type: trades\n  threshold: 99.9", "line 4: a.threshold: 99.9 is not a share"),
        ("A b:\n  exchange: binance\n  data_type: trades", "line 1: A b.name: a source's name is"),
        (
            "a:\n  exchange: binance\n  data_type: trades\n  products:\n    - entity: p",
            "line 4: a.products: products show the revisions of a data set",
        ),
        (
            "a:\n  exchange: binance\n  data_type: trades\n  data_set: d\n"
            "  products:\n    - entity: p\n      mode: now",
            "line 7: a.products.0.mode: Input should be 'auto', 'verify' or 'change-set'",
        ),
        (
            f"{BARS}  every: 60",
            "line 3: a.data_type: there is no source of binance's trades that it could be",
        ),
        (f"{BARS}{TRADES}", "line 3: a.data_type: trade_bars needs every, an interval in seconds"),
        (f"{BARS}  every: 0\n{TRADES}", "line 4: a.every: 0.0 seconds is not a valid interval"),
        (f"{BARS}  every: 60\n  of: c\n{TRADES}", "line 5: a.of: c is no source of binance's trades; there are: b"),
        (
            f"{BARS}  every: 60\n  market_files: true\n{TRADES}",
            "line 5: a.market_files: files for each market",
        ),
        (f"{TRADES}  every: 60", "line 4: b.every: only computed data has it: trade_bars, book_snapshot_5, book_"),
        (
            "a:\n  exchange: binance\n  data_type: book_quotes\n  every: 1",
            "line 4: a.every: book_quotes has a row for each change, and no interval",
        ),
    ],
)
def test_a_mistake_in_the_sources_is_one_line_with_file_line_and_key(tmp_path: Path, text: str, error: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InvalidConfigurationError) as raised:
        load_sources(path)
    assert str(raised.value).startswith(str(path))
    assert error in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_book_may_come_in_snapshots_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venue = replace(exchange("kraken"), channels=(Channel("book", ("book_snapshots",), "none"),))
    monkeypatch.setattr(sources, "exchange", lambda identifier: venue)
    path = written(tmp_path, "a:\n  exchange: kraken\n  data_type: book_updates")
    assert load_sources(path) == {"a": DataSource("a", "kraken", "book_updates")}
    with pytest.raises(InvalidConfigurationError, match=r"line 3: a\.data_type: kraken has no liquidations"):
        load_sources(written(tmp_path, "a:\n  exchange: kraken\n  data_type: liquidations"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigurationError, match=r"none\.yaml cannot be read: No such file"):
        load_sources(tmp_path / "none.yaml")


def test_the_venues_that_come_with_booktape() -> None:
    venues = load_venues()
    assert sorted(venues) == ["binance", "coinbase", "kraken"]
    assert "BTC-USDT" in venues["binance"].markets


def test_a_venue_with_urls_of_its_own(tmp_path: Path) -> None:
    text = "binance:\n  markets: [BTC-USDT]\n  snapshot_seconds: 60\n  rest_url: http://127.0.0.1:1\n"
    assert load_venues(written(tmp_path, text)) == {
        "binance": Venue("binance", ("BTC-USDT",), 60, rest_url="http://127.0.0.1:1")
    }


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("bnance:\n  markets: []", "line 1: bnance.name: unknown exchange"),
        ("binance:\n  markets: BTC-USDT", "line 2: binance.markets: Input should be a valid tuple"),
        ("binance:\n  markets: [A-B, A-B]", "line 2: binance.markets: a market is listed twice"),
        ("binance:\n  markets: []\n  snapshot_seconds: 0", "line 3: binance.snapshot_seconds: 0.0 is not more than 0"),
    ],
)
def test_a_mistake_in_the_venues_is_one_line(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(InvalidConfigurationError, match=error):
        load_venues(written(tmp_path, text))
