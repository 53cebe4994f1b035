"""A night of a small day by the command line: manifests, certificates, CSV, Parquet, and all that reads them back.

The day is held first, released, and published once more when the missing trades have been fetched.
"""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

from tests.golden import recordings
from tests.golden.comparing import compare, compare_in_two, masked, tree
from tests.golden.conftest import Booktape, Outcome
from tests.golden.recordings import DAY, SOURCES

RECORDED = re.compile(r"(rest/)?(trades|book_updates|book_snapshots|quotes|derivative_ticker|liquidations|ledger)/")
NAMES = [line.partition(":")[0] for line in SOURCES.splitlines()]


class Night:
    """The storage after the night, what its commands printed, and the command line to read it."""

    def __init__(self, root: Path, run: Booktape) -> None:
        self.root = root
        self.storage = root / "primary"
        self.run = run
        self.printed: list[Outcome] = []

    def do(self, *arguments: str) -> None:
        self.printed.append(self.run(*arguments))

    def compare(self, name: str, outcomes: Iterable[Outcome]) -> None:
        """Hold what some commands print against what they printed before."""
        some = list(outcomes)
        structure = "".join(one.structure for one in some)
        compare_in_two(name, self.mask(structure), self.mask("".join(one.said for one in some)))

    def mask(self, text: str) -> str:
        """Without the directory, the queries' tokens, and what depends on the versions of Booktape and of DuckDB."""
        replaced = [(str(self.root), "{root}")]
        for path in sorted(self.storage.rglob("certificates/**/*.json")):  # each names its maker
            key = path.relative_to(self.storage).as_posix()
            replaced.append((sha256(path.read_bytes()).hexdigest(), f"{{sha256 of {key}}}"))
        for path in sorted(self.storage.rglob("published/**/*.parquet*")):
            if path.is_file():
                key = path.relative_to(self.storage).as_posix()
                replaced.append((sha256(path.read_bytes()).hexdigest(), f"{{sha256 of {key}}}"))
                replaced.append((f'"bytes": {path.stat().st_size}', '"bytes": {bytes}'))
        return masked(text, replaced)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, booktape: Booktape, environment: pytest.MonkeyPatch) -> Night:
    root = tmp_path_factory.mktemp("night")
    recordings.record(root / "primary", root / "replica")
    (root / "sources.yaml").write_text(SOURCES)
    environment.setenv("BOOKTAPE_SOURCES", str(root / "sources.yaml"))
    environment.setenv("BOOKTAPE_STORAGE", str(root / "primary"))
    environment.setenv("BOOKTAPE_REPLICA", str(root / "replica"))
    night = Night(root, booktape)
    night.do("nightly", "--day", DAY, "--json")
    night.do("certificate", "binance-trades", DAY)
    night.do("release", "binance-trades", DAY, "--reason", "nobody has them", "--now", "--json")
    night.do("nightly", "--day", DAY, "--source", "binance-bars", "--json")
    recordings.heal(root / "primary")
    night.do("republish", "binance-trades", DAY, "--now", "--json")
    night.do("republish", "binance-bars", DAY, "--now")
    return night


def test_what_its_commands_print(night: Night) -> None:
    night.compare("night/printed.txt", night.printed)


@pytest.mark.parametrize("source", NAMES)
def test_what_a_source_leaves(night: Night, source: str) -> None:
    """Its runs' manifests, its certificates, and its published files."""
    text = tree(night.storage, lambda key: f"/{source}/" in key and not key.startswith("merged/"))
    compare_in_two(f"night/{source}.txt", night.mask(text))


def test_no_object_lies_elsewhere(night: Night) -> None:
    keys = sorted(path.relative_to(night.root).as_posix() for path in night.root.rglob("*") if path.is_file())
    compare("night/keys.txt", "\n".join(sorted({night.mask(key) for key in keys})) + "\n")


def test_files_of_single_markets(night: Night) -> None:
    compare("night/markets.txt", night.mask(tree(night.storage, lambda key: key.startswith("markets/"))))


def test_the_bytes_of_parquet(night: Night) -> None:
    """They depend on DuckDB's version, which the first line names."""
    lines = [f"DuckDB {duckdb.__version__}"]
    for path in sorted(night.storage.rglob("published/**/*.parquet")):
        lines.append(f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(night.storage).as_posix()}")
    compare("night/parquet_bytes.txt", "\n".join(lines) + "\n")


DAYS = ("--from", DAY, "--to", "2024-08-10")
MINUTES = ("--from", DAY, "--to", f"{DAY}T00:05")
FUTURES = ("binance-futures", "BTC-USDT-PERP")
BTC = ("binance", "BTC-USDT")


def _reading() -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    marked = (*DAYS, "--gaps", "mark")
    yield (
        "trades",
        [
            ("trades", *BTC, *DAYS, "--json"),
            ("trades", *BTC, *marked, "--csv"),
            ("trades", "binance", "ETH-USDT", *DAYS, "--json"),
            ("trades", "binance", "A\"B'C-USDT", *DAYS, "--json"),
            ("trades", "binance", "币安人生-USDT", *DAYS, "--csv"),
            ("trades", "coinbase", "BTC-USD", *marked, "--json"),
            ("trades", *FUTURES, *DAYS, "--json"),
            ("trades", *BTC, "--from", "2024-08-10", "--to", "2024-08-11", "--json"),
        ],
    )
    yield (
        "book",
        [
            ("book", *BTC, "--at", f"{DAY}T00:00:30", "--json"),
            ("book", *BTC, "--at", f"{DAY}T00:00:35", "--json"),
            ("book", *BTC, "--at", f"{DAY}T00:04", "--gaps", "mark", "--json"),
            ("book", *BTC, "--at", f"{DAY}T00:00:30", "--depth", "1", "--csv"),
            ("book", *BTC, *marked, "--json"),
            ("book", *BTC, *marked, "--csv"),
            ("book", "kraken", "BTC-USD", *marked, "--json"),
            ("book", "coinbase", "BTC-USD", *marked, "--json"),
            ("book", *FUTURES, *marked, "--json"),
        ],
    )
    yield "replay", [
        ("replay", "binance:BTC-USDT", *MINUTES),
        (
            "replay", "binance-futures:BTC-USDT-PERP", "kraken:BTC-USD", *MINUTES,
            "--types", "trades,book_updates,quotes,derivative_ticker,liquidations",
        ),
    ]  # fmt: skip
    yield (
        "coverage",
        [
            ("coverage", *BTC, *DAYS, "--json"),
            ("coverage", "binance", "ETH-USDT", *DAYS, "--json"),
            ("coverage", *BTC, *DAYS, "--type", "book_updates", "--json"),
            ("coverage", "coinbase", "BTC-USD", *DAYS, "--type", "book_updates", "--json"),
            ("coverage", "kraken", "BTC-USD", *DAYS, "--type", "book_updates", "--json"),
            ("coverage", *FUTURES, *DAYS, "--csv"),
        ],
    )
    yield (
        "certificate",
        [
            ("certificate", "binance-trades", DAY, "--run", "1", "--json"),
            ("certificate", "binance-trades", DAY, "--json"),
            ("certificate", "binance-book-updates", DAY, "--json"),
            ("certificate", "binance-book-updates", DAY),
            ("certificate", "binance-bars", DAY, "--json"),
        ],
    )
    yield "verify", [("verify", source, DAY, "--json") for source in NAMES]
    yield "verify_text", [("verify", source, DAY) for source in ("binance-trades", "kraken-book-updates")]
    yield (
        "status",
        [
            ("status", "--json"),
            ("status", "--source", "binance-trades", "--day", DAY, "--json"),
            ("status",),
            ("status", "--redundancy", "--day", DAY, "--json"),
            ("status", "--redundancy", "--day", DAY, "--exchange", "binance"),
        ],
    )
    yield (
        "bars",
        [
            ("bars", *BTC, *MINUTES, "--every", "20", "--json"),
            ("bars", *BTC, *MINUTES, "--every", "60", "--fill", "--csv"),
            ("bars", *BTC, *MINUTES, "--ticks", "7", "--json"),
            ("bars", *BTC, *MINUTES, "--volume", "3", "--json"),
            ("bars", "binance", "ETH-USDT", "--from", f"{DAY}T11:59", "--to", f"{DAY}T12:01", "--every", "5", "--json"),
        ],
    )
    yield (
        "snapshots",
        [
            ("snapshots", *BTC, *MINUTES, "--depth", "2", "--every", "5", "--gaps", "mark", "--json"),
            ("snapshots", *BTC, *MINUTES, "--depth", "1", "--gaps", "mark", "--csv"),
            ("snapshots", *BTC, *MINUTES, "--depth", "1"),
        ],
    )
    yield (
        "liquidity",
        [
            ("liquidity", *BTC, *MINUTES, "--every", "10", "--size", "1", "--size", "100", "--json"),
            ("liquidity", "kraken", "BTC-USD", *MINUTES, "--every", "20", "--size", "2", "--levels", "2", "--csv"),
        ],
    )
    yield (
        "sql",
        [
            ("sql", f"SELECT * FROM {table} ORDER BY ALL", "--from", DAY, "--to", "2024-08-10", "--json")
            for table in ("quotes", "recorded_trades", "derivative_ticker", "book_updates")
        ],
    )


@pytest.mark.parametrize(("name", "commands"), list(_reading()))
def test_what_reading_prints(night: Night, name: str, commands: list[tuple[str, ...]]) -> None:
    night.compare(f"reading/{name}.txt", (night.run(*command) for command in commands))


EXPORTS = [
    (*BTC, "trades"), (*BTC, "book_updates"), (*BTC, "quotes"), (*FUTURES, "derivative_ticker"),
    (*FUTURES, "liquidations"), ("coinbase", "BTC-USD", "trades"), ("kraken", "BTC-USD", "book-updates"),
]  # fmt: skip


@pytest.mark.parametrize("form", ["tardis", "hive"])
@pytest.mark.parametrize(("exchange", "market", "data_type"), EXPORTS)
def test_what_an_export_holds(
    night: Night, tmp_path: Path, exchange: str, market: str, data_type: str, form: str
) -> None:
    command = ("export", exchange, data_type, DAY, "--to", str(tmp_path / "to"), "--form", form, "--json")
    outcome = night.run(*command)
    files = tree(tmp_path / "to")
    text = f"{outcome.structure}\n{files}".replace(str(tmp_path), "{to}")
    if form == "hive":
        text = re.sub(r'"bytes":\d+', '"bytes":{bytes}', text)
    compare_in_two(f"export/{form}/{exchange}-{data_type}.txt", night.mask(text), night.mask(outcome.said))
