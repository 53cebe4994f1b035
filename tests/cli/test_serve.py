"""``booktape serve`` as a process, and ``booktape ingest`` of raw frames."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from booktape.capture.raw_writer import RawFrames
from booktape.model import codec
from booktape.model.records import SECOND, TRADES, Trade
from booktape.store.layout import BatchKey
from booktape.store.objects import Store, open_store
from tests.cli.conftest import Outcome
from tests.waiting import DEADLINE, until

REPOSITORY = Path(__file__).parents[2]
COMMAND = (
    "import typer; from booktape.cli import console; from booktape.cli.serve import serve; "
    "app = typer.Typer(pretty_exceptions_enable=False); app.command()(serve); console.run(app)"
)
START = 1_723_161_600 * SECOND  # 2024-08-09 00:00:00
TRADE_FRAME = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161600001,"s":"BTCUSDT","t":%d,"p":"61837.63000000",'
    '"q":"0.02000000","T":1723161600000,"m":true,"M":true}}'
)

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command in a process that is gone after the test."""
    programs = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        programs.append(
            subprocess.Popen(
                [sys.executable, "-c", COMMAND, *arguments],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                cwd=REPOSITORY,
                env=os.environ | {"COLUMNS": "300"},
            )
        )
        return programs[-1]

    yield run
    for program in programs:
        program.kill()
        program.communicate()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One minute with two trades."""
    store = open_store((tmp_path / "data").as_uri())
    trades = [Trade(n, START + n * SECOND, "buy", "1.0", "2.0", START + n * SECOND) for n in (1, 2)]
    lines = codec.encode_records(trades)
    key = BatchKey(TRADES, "binance", "BTC-USDT", START, 1, 2, codec.digest(lines))
    store.create(str(key), codec.compress(lines))
    return store


def url_of(program: subprocess.Popen[str]) -> str:
    assert program.stderr is not None
    line = program.stderr.readline()
    assert line.startswith("listening on http://127.0.0.1:"), line
    return line.split()[-1]


def answers(url: str) -> httpx.Response:
    def found() -> httpx.Response | None:
        with suppress(httpx.ConnectError):
            return httpx.get(url)
        return None

    return until(lambda: [answer] if (answer := found()) is not None else [])[0]


def test_it_tells_where_it_listens_replays_and_ends_cleanly(start: Start, store: Store) -> None:
    program = start("--storage", store.url, "--port", "0")
    query = "markets=binance:BTC-USDT&data_types=trades&from=2024-08-09&to=2024-08-10"
    url = url_of(program)
    answer = answers(f"{url}/replay?{query}")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["record"]["id"] for line in lines if line["type"] == "trades"] == [1, 2]
    assert answers(f"{url}/binance/api/v3/ping").status_code == 404, "there is no market clock"
    program.send_signal(signal.SIGINT)
    _, told = program.communicate(timeout=DEADLINE)
    assert (program.returncode, told) == (0, "")


def test_a_market_clock_makes_it_a_venue(start: Start, store: Store) -> None:
    stretch = ("--from", "2024-08-09T00:00", "--to", "2024-08-09T00:01", "--speed", "10")
    url = url_of(start("--storage", store.url, "--port", "0", *stretch))
    assert answers(f"{url}/binance/api/v3/time").json() == {"serverTime": START // 1_000}
    assert answers(f"{url}/clock").json()["state"] == "waiting"


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--from", "2024-08-09"], "give both, or neither"),
        (["--from", "2024-08-09", "--to", "2024-08-08"], "swap them"),
        (["--from", "2024-08-09", "--to", "2024-08-10", "--speed", "fast"], "'fast'"),
        (["--storage", "/no/such/directory"], "/no/such/directory does not exist"),
    ],
)
def test_a_mistake_ends_in_one_line(arguments: list[str], fault: str, start: Start, store: Store) -> None:
    program = start("--port", "0", "--storage", store.url, *arguments)
    _, told = program.communicate(timeout=DEADLINE)
    assert program.returncode == 1
    assert told.count("\n") == 1
    assert fault in told


def test_a_port_that_is_taken_is_told(start: Start, store: Store) -> None:
    url = url_of(start("--storage", store.url, "--port", "0"))
    second = start("--storage", store.url, "--port", url.rpartition(":")[2])
    _, told = second.communicate(timeout=DEADLINE)
    assert second.returncode == 1
    assert "try another --port" in told


def test_raw_frames_of_a_storage_are_ingested_day_by_day(
    booktape: Callable[..., Outcome], store: Store, tmp_path: Path
) -> None:
    def keep(key: str, lines: bytearray) -> None:
        store.create(key, codec.compress(lines))

    raw = RawFrames("binance", "a", START, keep)
    connection = raw.connection(0, "wss://x")
    connection.received(TRADE_FRAME % 5, START)
    connection.received(TRADE_FRAME % 6, START + 86_400 * SECOND)
    raw.close()
    arguments = ("--exchange", "binance", "--storage", str(tmp_path / "mended"), "--json")
    one_day = booktape("ingest", store.url, "--day", "2024-08-09", *arguments)
    assert json.loads(one_day.out)["records"] == {"trades": {"BTC-USDT": 1}}
    both = booktape("ingest", str(tmp_path / "data"), *arguments)
    assert json.loads(both.out)["records"] == {"trades": {"BTC-USDT": 2}}
    none = booktape("ingest", store.url, "--day", "2020-01-01", *arguments)
    assert (none.status, "holds no raw frames" in none.err) == (1, True)
