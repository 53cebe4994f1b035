"""The command line as a whole: its overview, what it costs, its options, and what Ctrl-C does to it."""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from booktape.cli.app import app
from booktape.cli.commands import COMMANDS, Command, load
from booktape.cli.environment import InvalidEnvironmentError, reader_settings
from booktape.model.version import VERSION
from booktape.store.objects import open_store
from config.settings import load_settings
from tests.cli.conftest import Outcome
from tests.publish.recordings import store_trades

Booktape = Callable[..., Outcome]

ROOT: Final = Path(__file__).parents[2]
ALL: Final = [command for commands in COMMANDS.values() for command in commands]
RUNS: Final = 10
MOST: Final = 5
"""How many times the processor time of ``import typer, rich`` the overview may take."""


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.name)
def test_the_overview_prints_the_first_paragraph_of_each_commands_help(command: Command) -> None:
    """Change the summary in booktape/cli/commands.py together with the command's docstring."""
    found = inspect.cleandoc(load(command.name).help or "").partition("\n\n")[0]
    assert command.summary == " ".join(found.split())


def test_the_overview_lists_the_commands_in_their_panels(booktape: Booktape) -> None:
    outcome = booktape("--help")
    assert outcome.status == 0
    places = [outcome.out.index(f"─ {panel} ─") for panel in COMMANDS]
    places += [outcome.out.index(command.summary[:60]) for command in ALL if len(command.summary) < 100]
    names = [line.split()[1] for line in outcome.lines if line.startswith("│ ") and line[2] not in " -"]
    assert places[: len(COMMANDS)] == sorted(places[: len(COMMANDS)])
    assert names == [command.name for command in ALL]


@pytest.mark.parametrize(
    "arguments", [["-h"], ["trades", "-h"], ["athena", "-h"], ["athena", "init", "-h"]], ids=" ".join
)
def test_h_is_help(booktape: Booktape, arguments: list[str]) -> None:
    outcome = booktape(*arguments)
    assert outcome.status == 0
    assert f"Usage: booktape {' '.join(arguments[:-1])}".strip() in outcome.out


def test_a_worker_takes_h_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers", "-h"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "Usage:" in done.stdout


def test_the_version_is_said(booktape: Booktape) -> None:
    assert booktape("--version") == Outcome(0, f"booktape {VERSION}\n", "")


def test_without_a_command_there_is_help(booktape: Booktape) -> None:
    assert "Usage: booktape" in booktape().out


def test_a_wrong_command_or_option_is_refused(booktape: Booktape) -> None:
    outcome = booktape("trade")
    assert (outcome.status, outcome.out) == (2, "")
    assert "Did you mean 'trades'?" in outcome.err
    assert booktape("trades", "binance", "BTC-USDT", "--form", "x").status == 2


def test_the_overview_imports_no_command() -> None:
    code = (
        "import sys; sys.argv = ['booktape', '--help']\n"
        "from booktape.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted(name for name in sys.modules if name.startswith(('booktape.', 'config', 'duckdb', 'obstore'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(
        [
            "booktape.cli",
            "booktape.cli.app",
            "booktape.cli.application",
            "booktape.cli.commands",
            "booktape.cli.console",
            "booktape.cli.interrupts",
            "booktape.cli.main",
            "booktape.model",
            "booktape.model.errors",
            "booktape.model.version",
        ]
    )


def test_the_overview_is_cheap() -> None:
    """Processor time, which a busy machine hardly changes; both programs in turn."""
    floor = cost = 0.0
    for _ in range(RUNS):
        floor += processor_seconds("-c", "import typer, rich")
        cost += processor_seconds("-m", "booktape.cli", "--help")
    assert cost < MOST * floor


def processor_seconds(*arguments: str) -> float:
    """User and system time of a Python process."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


# Ctrl-C


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("booktape.cli.console", ["--help"]),
        ("typer", ["--help"]),
        ("booktape.cli.commands", ["--help"]),
        ("typer.rich_utils", ["--help"]),
        ("booktape.cli.read", ["trades", "binance", "BTC-USDT"]),
        ("duckdb", ["trades", "binance", "BTC-USDT"]),
        ("config.settings", ["nightly"]),
        ("celery", ["republish", "binance-trades", "2024-08-09"]),
    ],
)
def test_an_interrupt_during_an_import_ends_quietly(tmp_path: Path, module: str, arguments: list[str]) -> None:
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # whatever these tests are started by
        "class Interrupter:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupter())\n"
        "from booktape.cli.main import program\n"
        "program()\n"
        "raise AssertionError('it was not interrupted')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_an_interrupt_of_a_running_command_closes_what_is_open(tmp_path: Path) -> None:
    store_trades(open_store(str(tmp_path / "data")), range(1, 20_000))
    stretch = ("--from", "2024-08-09", "--to", "2024-08-10", "--storage", str(tmp_path / "data"))
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from booktape.cli.main import program; program()"
    )
    command = [sys.executable, "-c", code, "trades", "binance", "BTC-USDT", *stretch, "--gaps", "mark", "--csv"]
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("exchange,symbol")
        process.send_signal(2)  # it waits for somebody to read the rest
        process.stdout.read()
        errors = process.stderr.read().splitlines()
    assert process.returncode == 130
    assert len([line for line in errors if not line.startswith("missing: ")]) <= 1
    assert "Traceback" not in "".join(errors)


def test_an_ignored_interrupt_stays_ignored() -> None:
    """As in a shell's background job."""
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.argv = ['booktape', '--version']\n"
        "from booktape.cli.main import program\n"
        "try: program()\n"
        "finally: print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"booktape {VERSION}\nTrue\n"


# Settings that commands of the package read by themselves


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"STORAGE": "s3://bucket/recordings/", "REPLICA": "", "PUBLISH": "file:///published"},
        {"REPLICA": "s3://replica", "ENGINE": "athena", "RESULTS": "s3://results", "LOG_LEVEL": "debug"},
        {"ATHENA_DATABASE": "d", "ATHENA_WORKGROUP": "w", "MERGE_MEMORY": "1GB", "ENGINE": ""},
    ],
    ids=str,
)
def test_the_package_reads_the_environment_as_the_application_does(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name in [name for name in os.environ if name.upper().startswith("BOOKTAPE_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(f"BOOKTAPE_{name}", value)
    package, application = reader_settings(), load_settings()
    names = [name for name in dir(package) if not name.startswith("_")]
    assert names
    assert {name: getattr(package, name) for name in names} == {name: getattr(application, name) for name in names}


def test_another_storage_has_another_replica_and_publication(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STORAGE", "REPLICA", "PUBLISH"):
        monkeypatch.setenv(f"BOOKTAPE_{name}", f"s3://{name.lower()}")
    settings = reader_settings("s3://other")
    assert (settings.storage, settings.replica, settings.publication_url) == ("s3://other", None, "s3://other")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [("ENGINE", "spark", "'duckdb' or 'athena'"), ("LOG_LEVEL", "loud", "'info', 'debug', 'warning' or 'error'")],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str) -> None:
    monkeypatch.setenv(f"BOOKTAPE_{name}", value)
    with pytest.raises(InvalidEnvironmentError) as raised:
        reader_settings()
    assert str(raised.value) == f"BOOKTAPE_{name}={value}: Input should be {allowed}"


def test_completion_knows_the_commands() -> None:
    command: Any = typer.main.get_command(app)
    assert list(command.commands) == [one.name for one in ALL]
