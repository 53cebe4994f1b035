"""``booktape sql``: what can be asked, what is refused, and the same over S3 and Athena."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import boto3
import duckdb
import pytest

from booktape.archive.sql import InvalidSqlError, query_archive
from booktape.cli.app import app
from booktape.merge import init_athena
from booktape.model.records import SECOND, Liquidation, Trade
from booktape.store.objects import Store, open_store
from sandbox.aws.server import Sandbox, running
from tests.cli.conftest import Outcome
from tests.merge.systems import put

ROOT = Path(__file__).parents[2]

START = 1_723_161_600 * SECOND
"""2024-08-09"""

DAY = 86_400 * SECOND


def trade(number: int, time: int, price: str) -> Trade:
    return Trade(number, time, "buy", price, "0.5", time + 1_000)


def record(store: Store) -> None:
    """Two days of a market, and one of another. The first trade was stored twice."""
    put(store, trade(1, START + 1, "100.10"), trade(2, START + 2, "100.20"))
    put(store, trade(1, START + 1, "100.10"))
    put(store, trade(3, START + DAY, "100.30"))
    put(store, trade(7, START + 5, "9.5"), market="ETH-USDT")


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of two days, both published, and the first one twice; in a directory with an awkward name."""
    place = tmp_path_factory.mktemp("it's [a] tape")
    record(open_store(str(place)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOOKTAPE_HEAL", "false")
        patch.setenv("BOOKTAPE_STORAGE", str(place))
        app(["nightly", "--day", "2024-08-09", "--source", "binance-trades"], standalone_mode=False)
        put(open_store(str(place)), trade(8, START + 6, "9.6"), market="ETH-USDT")  # one that came late
        app(["republish", "binance-trades", "2024-08-09", "--now"], standalone_mode=False)
        app(["nightly", "--day", "2024-08-10", "--source", "binance-trades"], standalone_mode=False)
    return place


@pytest.fixture(autouse=True)
def at_the_tape(monkeypatch: pytest.MonkeyPatch, tape: Path) -> None:
    monkeypatch.setenv("BOOKTAPE_STORAGE", str(tape))


def rows(outcome: Outcome) -> list[list[str]]:
    assert outcome.status == 0, outcome.err
    return list(csv.reader(outcome.lines))


def test_the_published_records_of_the_newest_runs_each_once(booktape: Callable[..., Outcome]) -> None:
    """The first day was published twice, since a trade came late, and its first trade stored twice."""
    asked = "SELECT exchange, symbol, id, price, provenance FROM trades ORDER BY symbol, timestamp"
    assert rows(booktape("sql", asked, "--csv")) == [
        ["exchange", "symbol", "id", "price", "provenance"],
        ["binance", "BTC-USDT", "1", "100.10", "primary"],
        ["binance", "BTC-USDT", "2", "100.20", "primary"],
        ["binance", "BTC-USDT", "3", "100.30", "primary"],
        ["binance", "ETH-USDT", "7", "9.5", "primary"],
        ["binance", "ETH-USDT", "8", "9.6", "primary"],
    ]


def test_what_is_recorded_is_told_as_it_was_stored(booktape: Callable[..., Outcome]) -> None:
    asked = "SELECT system, symbol, id FROM recorded_trades WHERE exchange = 'binance' ORDER BY symbol, id"
    assert rows(booktape("sql", asked, "--csv"))[1:] == [
        ["primary", "BTC-USDT", "1"],
        ["primary", "BTC-USDT", "1"],
        ["primary", "BTC-USDT", "2"],
        ["primary", "BTC-USDT", "3"],
        ["primary", "ETH-USDT", "7"],
        ["primary", "ETH-USDT", "8"],
    ]


@pytest.mark.parametrize(
    ("since", "until", "ids"),
    [
        (["--from", "2024-08-10"], [], ["3"]),
        ([], ["--to", "2024-08-10"], ["1", "2", "7", "8"]),
        (["--from", "2024-08-09"], ["--to", "2024-08-11"], ["1", "2", "3", "7", "8"]),
    ],
)
def test_only_the_days_asked_for_are_looked_at(
    booktape: Callable[..., Outcome], since: list[str], until: list[str], ids: list[str]
) -> None:
    for table in ("trades", "recorded_trades"):
        found = rows(booktape("sql", f"SELECT DISTINCT id FROM {table} ORDER BY id", *since, *until, "--csv"))
        assert [row for (row,) in found[1:]] == ids


def test_the_tables_can_be_listed_and_described(booktape: Callable[..., Outcome]) -> None:
    assert rows(booktape("sql", "SHOW TABLES", "--csv")) == [["name"], ["trades"]]
    described = rows(booktape("sql", "DESCRIBE recorded_trades", "--csv"))
    assert [(name, kind) for name, kind, *_ in described[1:]] == [
        ("exchange", "VARCHAR"),
        ("symbol", "VARCHAR"),
        ("id", "VARCHAR"),
        ("timestamp", "BIGINT"),
        ("side", "VARCHAR"),
        ("price", "VARCHAR"),
        ("amount", "VARCHAR"),
        ("local_timestamp", "BIGINT"),
        ("sequence", "BIGINT"),
        ("system", "VARCHAR"),
    ]


def test_an_answer_is_a_table_in_the_terminal(booktape: Callable[..., Outcome]) -> None:
    outcome = booktape(
        "sql", "SELECT symbol, count(*) AS trades, NULL AS nothing FROM trades GROUP BY ALL ORDER BY ALL"
    )
    assert [line.split() for line in outcome.lines] == [
        ["symbol", "trades", "nothing"],
        ["BTC-USDT", "3"],
        ["ETH-USDT", "2"],
    ]


def test_a_long_answer_is_cut_in_the_terminal_only(booktape: Callable[..., Outcome]) -> None:
    outcome = booktape("sql", "SELECT * FROM range(3000) AS t(x)")
    assert len(outcome.lines) == 1 + 1000
    assert "only the first 1,000 rows are shown" in outcome.err
    assert len(booktape("sql", "SELECT * FROM range(3000) AS t(x)", "--csv").lines) == 1 + 3000


def test_values_of_all_kinds_as_json_and_csv(booktape: Callable[..., Outcome]) -> None:
    asked = (
        "SELECT 1 AS a, 2 AS a, 1.50::DECIMAL(9,2) AS d, true AS t, NULL AS n, [1, 2] AS l, {'x': 'y'} AS s, "
        "TIMESTAMP '2024-08-09 01:02:03.5' AS at, 'o\"h, so' AS w"
    )
    assert booktape("sql", asked, "--json").lines == [
        '{"a":1,"a_1":2,"d":"1.50","t":true,"n":null,"l":[1,2],"s":{"x":"y"},"at":"2024-08-09T01:02:03.500000",'
        '"w":"o\\"h, so"}'
    ]
    assert rows(booktape("sql", asked, "--csv")) == [
        ["a", "a_1", "d", "t", "n", "l", "s", "at", "w"],
        ["1", "2", "1.50", "true", "", "[1,2]", '{"x":"y"}', "2024-08-09 01:02:03.500000", 'o"h, so'],
    ]


def test_a_parquet_file_keeps_the_types(booktape: Callable[..., Outcome], tmp_path: Path) -> None:
    place = tmp_path / "answer.parquet"
    high, newest = "max(price::DECIMAL(20,8)) AS high", "make_timestamp(max(timestamp)) AS newest"
    asked = f"SELECT symbol, {high}, {newest} FROM trades GROUP BY 1 ORDER BY 1"
    assert "2 rows" in booktape("sql", asked, "--output", str(place)).err
    with duckdb.connect() as connection:
        found = connection.execute("SELECT symbol, high, typeof(newest) FROM read_parquet($1)", [str(place)]).fetchall()
    assert found == [
        ("BTC-USDT", Decimal("100.30000000"), "TIMESTAMP"),
        ("ETH-USDT", Decimal("9.60000000"), "TIMESTAMP"),
    ]


@pytest.mark.parametrize(
    "asked",
    [
        "DROP VIEW trades",
        "CREATE TABLE t AS SELECT 1",
        "COPY (SELECT 1) TO '{place}/x.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{place}/x.csv'",
        "EXPORT DATABASE '{place}/x'",
        "ATTACH '{place}/x.db'",
        "INSTALL httpfs",
        "LOAD '{place}/x.duckdb_extension'",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "SELECT 1; SELECT 2",
        "",
    ],
)
def test_nothing_but_one_select_can_be_asked(booktape: Callable[..., Outcome], tmp_path: Path, asked: str) -> None:
    outcome = booktape("sql", asked.format(place=tmp_path))
    assert (outcome.status, outcome.out) == (1, "")
    assert "SQL can only read the archive's own tables; give one SELECT" in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "source",
    [
        "read_text('{place}/secret.csv')",
        "read_csv('{place}/secret.csv')",
        "'{place}/secret.csv'",
        "glob('{place}/*')",
        "read_blob('{tape}/runs/binance-trades/2024-08-09/0001/done.json')",
    ],
)
def test_no_file_but_the_tables_own_can_be_read(
    booktape: Callable[..., Outcome], tape: Path, tmp_path: Path, source: str
) -> None:
    (tmp_path / "secret.csv").write_text("secret\n1\n")
    files = source.format(place=tmp_path, tape=str(tape).replace("'", "''"))
    outcome = booktape("sql", f"SELECT * FROM {files}, trades", "--csv")
    assert (outcome.status, outcome.out) == (1, "")
    assert "SQL can only read the archive's own tables: " in outcome.err


def test_settings_cannot_be_changed_and_no_variable_of_this_process_is_seen(tape: Path) -> None:
    """Two things that only a SELECT could try."""
    frame = duckdb.sql("SELECT 1 AS secret")  # DuckDB would find it by its name
    assert frame is not None
    with pytest.raises(InvalidSqlError, match="frame does not exist"), query_archive(str(tape), "SELECT * FROM frame"):
        pass
    asked = "SELECT name, value FROM duckdb_settings() WHERE name IN ('enable_external_access', 'lock_configuration')"
    with query_archive(str(tape), asked) as answer:
        assert sorted(answer.rows) == [("enable_external_access", "false"), ("lock_configuration", "true")]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT nothing FROM trades", '"nothing" not found'),
        ("SELECT * FROM trade", "Tables are trades, book_updates,"),
        ("SELECT price::DATE FROM trades", "Conversion Error"),
        ("SELECT * FROM quotes", "no quotes are published in"),
        ("SELECT * FROM recorded_quotes", "no quotes are recorded in"),
    ],
)
def test_errors_are_one_line(booktape: Callable[..., Outcome], asked: str, why: str) -> None:
    outcome = booktape("sql", asked, "--csv")
    assert outcome.status == 1
    assert why in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_days_are_those_of_utc_wherever_it_is_asked() -> None:
    asked = "SELECT to_timestamp(min(timestamp) / 1e6)::DATE FROM trades"
    command = [sys.executable, "-m", "booktape.cli.main", "sql", asked, "--csv"]
    elsewhere = os.environ | {"TZ": "America/New_York"}
    found = subprocess.run(command, env=elsewhere, cwd=ROOT, capture_output=True, check=True, text=True)
    assert found.stdout.splitlines()[1:] == ["2024-08-09"]


def test_no_extension_is_fetched(booktape: Callable[..., Outcome]) -> None:
    outcome = booktape("sql", "SELECT * FROM load_aws_credentials()")
    assert outcome.status == 1
    assert "is not in the catalog" in outcome.err


def test_memory_is_bounded(tape: Path) -> None:
    asked = "SELECT list(x) FROM range(50000000) AS t(x)"
    with (
        pytest.raises(InvalidSqlError, match="needs more memory"),
        query_archive(str(tape), asked, memory="60MB") as answer,
    ):
        list(answer.rows)


def test_an_archive_that_is_not_there_is_not_made(booktape: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = booktape("sql", "SELECT 1", "--storage", str(tmp_path / "nowhere"))
    assert outcome.status == 1
    assert "does not exist" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_both_systems_are_told_apart(booktape: Callable[..., Outcome], tmp_path: Path) -> None:
    primary, replica = (open_store(str(tmp_path / name)) for name in ("primary", "replica"))
    one = Liquidation(timestamp=START, side="sell", price="9", amount="1", local_timestamp=START + 1)
    for store in (primary, replica):
        put(store, one, exchange="okx", market="BTC-USDT-PERP")
    options = ("--storage", str(tmp_path / "primary"), "--replica", str(tmp_path / "replica"), "--csv")
    found = rows(
        booktape("sql", "SELECT system, exchange, symbol, price FROM recorded_liquidations ORDER BY 1", *options)
    )
    assert found[1:] == [["primary", "okx", "BTC-USDT-PERP", "9"], ["replica", "okx", "BTC-USDT-PERP", "9"]]


@pytest.fixture(scope="module")
def aws() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch, running() as sandbox:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", sandbox.url)
        patch.setenv("AWS_REGION", "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        yield sandbox


@pytest.fixture(scope="module")
def bucket(aws: Sandbox) -> str:
    """A bucket with the recordings, published by both engines: a file of the one day, a folder of the other."""
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="tape")
    record(open_store("s3://tape/primary"))
    init_athena(
        primary="s3://tape/primary", replica=None, results="s3://tape/results", exchanges=["binance"], database="tape"
    )
    with pytest.MonkeyPatch.context() as patch:
        _in_bucket(patch)
        for day, engine in (("2024-08-09", "duckdb"), ("2024-08-10", "athena")):
            patch.setenv("BOOKTAPE_ENGINE", engine)
            app(["nightly", "--day", day, "--source", "binance-trades"], standalone_mode=False)
    return "tape"


def _in_bucket(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("BOOKTAPE_HEAL", "false")
    patch.setenv("BOOKTAPE_STORAGE", "s3://tape/primary")
    patch.setenv("BOOKTAPE_RESULTS", "s3://tape/results")
    patch.setenv("BOOKTAPE_ATHENA_DATABASE", "tape")
    patch.setenv("BOOKTAPE_POLL_SECONDS", "0.1")


@pytest.fixture
def in_bucket(
    at_the_tape: None, booktape: Callable[..., Outcome], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    _in_bucket(monkeypatch)
    return booktape


def test_an_archive_in_a_bucket_gives_the_same(in_bucket: Callable[..., Outcome]) -> None:
    asked = "SELECT symbol, id, price FROM trades ORDER BY symbol, timestamp"
    expected = [
        ["symbol", "id", "price"],
        ["BTC-USDT", "1", "100.10"],
        ["BTC-USDT", "2", "100.20"],
        ["BTC-USDT", "3", "100.30"],
        ["ETH-USDT", "7", "9.5"],
    ]
    assert rows(in_bucket("sql", asked, "--csv")) == expected
    asked = "SELECT DISTINCT symbol, id, price FROM recorded_trades ORDER BY symbol, id"
    assert rows(in_bucket("sql", asked, "--csv")) == expected


def test_no_other_object_of_the_bucket_can_be_read(in_bucket: Callable[..., Outcome]) -> None:
    key = "runs/binance-trades/2024-08-09/0001/done.json"
    for path in (f"s3://tape/primary/{key}", f"publication://{key}"):
        outcome = in_bucket("sql", f"SELECT * FROM read_text('{path}'), trades")
        assert (outcome.status, outcome.out) == (1, "")


def test_athena_answers_over_its_tables(in_bucket: Callable[..., Outcome], tmp_path: Path) -> None:
    asked = (
        "SELECT pair, count(*) AS trades, max(price) AS high, CAST(NULL AS varchar) AS nothing FROM trades_primary "
        "WHERE exchange = 'binance' AND pair IN ('BTC-USDT', 'ETH-USDT') AND year = '2024' GROUP BY pair ORDER BY pair"
    )
    found = in_bucket("sql", asked, "--engine", "athena", "--csv")
    assert rows(found) == [
        ["pair", "trades", "high", "nothing"],
        ["BTC-USDT", "4", "100.30", ""],
        ["ETH-USDT", "1", "9.5", ""],
    ]
    place = tmp_path / "answer.parquet"
    assert in_bucket("sql", asked, "--engine", "athena", "--output", str(place)).status == 0
    with duckdb.connect() as connection:
        answer = connection.execute("SELECT pair, trades FROM read_parquet($1)", [str(place)]).fetchall()
    assert answer == [("BTC-USDT", 4), ("ETH-USDT", 1)]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("DROP TABLE trades_primary", "give one SELECT"),
        ("UNLOAD (SELECT 1) TO 's3://tape/x' WITH (format = 'PARQUET')", "give one SELECT"),
        ("CREATE TABLE t AS SELECT 1 AS a", "give one SELECT"),
        ("SELECT 1; DROP TABLE trades_primary", "give one SELECT"),
        ("SELECT FROM WHERE", "Expected"),
        ("SELECT nothing FROM trades_primary WHERE pair = 'BTC-USDT'", "nothing"),
    ],
)
def test_athena_is_only_asked_what_reads(in_bucket: Callable[..., Outcome], asked: str, why: str) -> None:
    outcome = in_bucket("sql", asked, "--engine", "athena")
    assert (outcome.status, outcome.out) == (1, "")
    assert why in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_athena_needs_a_bucket(booktape: Callable[..., Outcome]) -> None:
    outcome = booktape("sql", "SELECT 1", "--engine", "athena")
    assert outcome.status == 1
    assert "s3://bucket/prefix" in outcome.err
