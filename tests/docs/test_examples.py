"""Every example in the README and the documentation works, as far as one machine without a network can tell."""

import gzip
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import duckdb
import httpx
import pytest
from redis import Redis

from booktape.cli.commands import load
from booktape.model.records import DAY, MINUTE, Trade
from booktape.store import clock
from booktape.store.live_cache import Latest, LiveCache
from booktape.store.objects import open_store
from config.celery import queues
from sandbox.redis import running
from tests.cli.conftest import Outcome
from tests.docs.examples import ROOT, Example, commands, python
from tests.docs.world import MIDNIGHT, record_day
from tests.waiting import until

Booktape = Callable[..., Outcome]

ELSEWHERE: Final = {
    "record": "connects to an exchange, for ever",
    "athena": "asks AWS",
    "release": "wants a run that is held",
    "kraken-trades": "wants yesterday to be recorded",
    "serve": "serves for ever",
    "--follow": "follows for ever",
    "--revoke": "cannot be undone",
    "<id>": "stands for an exchange that is yet to be added",
}
"""Commands, or words in them, of which only the options are looked at, and why."""

SERVED: Final = "127.0.0.1:8420"

FRAME: Final = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":1,"p":"61837.63","q":"0.02",'
    '"T":1723161255342,"m":true,"M":true}}'
)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Path:
    """A day of binance that was published, one of coinbase that was only recorded, and what else a user has at hand."""
    directory = tmp_path_factory.mktemp("user")
    record_day(directory / "data")
    (directory / "capture.jsonl.gz").write_bytes(_frame(FRAME))
    key = "raw/exchange=kraken/year=2024/month=08/day=09/000000_a_1723161600000000_0-0_000000.jsonl.gz"
    open_store(str(directory / "data")).create(key, _frame('{"channel":"heartbeat"}'))
    with Redis.from_url(redis_url) as client:
        trade = Trade(7, MIDNIGHT, "buy", "60000.10", "0.5", MIDNIGHT + 50)
        LiveCache(client, "binance", "primary-a").write({"BTC-USDT": Latest(trade), "ETH-USDT": Latest(trade)})
    return directory


def _frame(text: str) -> bytes:
    line = {"t": 1723161600087896568, "kind": "ws", "url": "wss://x", "dir": "in", "data": text}
    return gzip.compress(json.dumps(line).encode())


@pytest.fixture
def user(made: Path, redis_url: str, booktape: Booktape, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The directory of a user who tries the examples shortly after that day."""
    monkeypatch.chdir(made)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("BOOKTAPE_STORAGE", "data")
    monkeypatch.setattr(clock, "now", lambda: MIDNIGHT + DAY + 5 * MINUTE)
    if not (made / "bought.csv").exists():
        for source in ("binance-trades", "binance-book-updates", "binance-quotes"):
            outcome = booktape("nightly", "--day", "2024-08-09", "--source", source)
            assert outcome.status == 0, outcome.err
        for found in (made / "data").glob("published/binance-trades/**/binance-trades_2024-08-09_run1.*"):
            shutil.copy(found, made)
        shutil.copy(made / "binance-trades_2024-08-09_run1.certificate.json", made / "bought.certificate.json")
        shutil.copy(made / "binance-trades_2024-08-09_run1.csv", made / "bought.csv")
    return made


@pytest.fixture(scope="module")
def server(made: Path) -> Iterator[str]:
    """Where `booktape serve` replays the day's recordings: for longer than any test of this module takes."""
    stretch = ("--from", "2024-08-09T10:00", "--to", "2024-08-10", "--speed", "10")
    command = [sys.executable, "-m", "booktape.cli.main", "serve", "--port", "0", "--storage", "data", *stretch]
    with (
        (made / "serve.log").open("w+") as log,
        subprocess.Popen(command, cwd=made, stderr=log, env=os.environ | {"PYTHONPATH": str(ROOT)}) as process,
    ):
        try:
            yield _listening(process, made / "serve.log")
        finally:
            process.terminate()


def _listening(process: "subprocess.Popen[bytes]", log: Path) -> str:
    def found() -> re.Match[str] | None:
        assert process.poll() is None, log.read_text()
        return re.search(r"listening on http://(\S+)", log.read_text())

    listening = until(found, lambda: "it does not listen")
    assert listening is not None
    return listening[1]


@pytest.mark.parametrize("example", list(commands()), ids=str)
def test_a_command_works(
    example: Example, user: Path, booktape: Booktape, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    words = [re.sub(r"^(file://)?/tmp/", rf"\g<1>{tmp_path}/", word) for word in example.words]
    program, *arguments = words
    match Path(program).name:
        case "booktape" if ELSEWHERE.keys() & set(arguments):
            _parse(arguments)
        case "booktape" if arguments[0] == "republish":
            _in_a_process_of_its_own(arguments)
        case "booktape":
            if arguments[0] == "watch" and "--once" not in arguments:
                arguments.append("--once")  # else it shows for ever
            outcome = booktape(*arguments)
            assert outcome.status == 0, outcome.err
        case "make":
            assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case "python":
            assert arguments[0] == "-m"
            assert importlib.util.find_spec(arguments[1]) is not None
        case "celery":
            named = arguments[arguments.index("-Q") + 1].split(",") if "-Q" in arguments else []
            assert set(named) <= set(queues())
        case "duckdb":
            assert arguments[0] == "-c"
            answer = duckdb.sql(arguments[1])
            assert answer is not None, "a query has rows"
            assert answer.fetchall()
        case "docker":
            assert arguments[0] == "compose"
        case "curl":
            url = arguments[-1].replace(SERVED, request.getfixturevalue("server"))
            assert httpx.get(url).raise_for_status().content
        case other:
            raise AssertionError(f"nobody knows how to try {other}")


@pytest.mark.parametrize("example", list(python()), ids=str)
def test_python_works(example: Example, user: Path, request: pytest.FixtureRequest) -> None:
    for program in ("binance", "hftbacktest", "nautilus_trader"):
        if f"from {program}" in example.text:
            pytest.importorskip(program, reason="has no wheel here")
    text = example.text.replace("redis://127.0.0.1:6379/0", os.environ["REDIS_URL"])
    if SERVED in text:
        text = text.replace(SERVED, request.getfixturevalue("server"))
    code = compile("\n" * example.line + text, example.page, "exec")
    exec(code, {"__name__": "__main__"})


def test_what_is_not_tried_is_named_for_a_reason() -> None:
    words = {word for example in commands() if "booktape" in example.text for word in example.words}
    assert ELSEWHERE.keys() - words == set()


def _in_a_process_of_its_own(arguments: list[str]) -> None:
    """What enqueues a task: Celery keeps the first Redis that a process has named."""
    command = [sys.executable, "-m", "booktape.cli.main", *arguments]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _parse(arguments: list[str]) -> None:
    """Raise what click does for options that a command does not have."""
    name, *arguments = arguments
    command: Any = load(name)
    while hasattr(command, "commands"):
        name, *arguments = arguments
        command = command.commands[name]
    command.make_context(command.name, arguments)
