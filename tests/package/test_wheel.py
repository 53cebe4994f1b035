"""``pip install`` of the wheel alone: what it brings, what works, and what the other commands say."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.utils import canonicalize_name

from booktape.cli.application import EXTRAS
from booktape.cli.commands import COMMANDS
from booktape.model.version import VERSION
from tests.docs.world import record_day
from tests.package.conftest import ROOT, Run, closure, requirements, unpacked

DAY = "2024-08-09"
RANGE = ("--from", f"{DAY}T12:00", "--to", f"{DAY}T12:05")
FRAME = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":1,"p":"61837.63","q":"0.02",'
    '"T":1723161255342,"m":true,"M":true}}'
)

READING = {
    "exchanges": ("--json",),
    "ingest": ("{user}/capture.jsonl.gz", "--exchange", "binance", "--storage", "{user}/ingested", "--json"),
    "export": ("binance", "trades", DAY, "--to", "{user}/exported", "--json"),
    "certificate": ("binance-trades", DAY),
    "verify": ("binance-trades", DAY),
    "coverage": ("binance", "BTC-USDT", "--from", DAY, "--to", "2024-08-10"),
    "trades": ("binance", "BTC-USDT", *RANGE, "--csv"),
    "book": ("binance", "BTC-USDT", "--at", f"{DAY}T12:00", "--depth", "3"),
    "replay": ("binance:BTC-USDT", "coinbase:BTC-USD", *RANGE),
    "bars": ("binance", "BTC-USDT", *RANGE, "--every", "60"),
    "snapshots": ("binance", "BTC-USDT", *RANGE, "--depth", "5", "--every", "60"),
    "liquidity": ("binance", "BTC-USDT", *RANGE, "--every", "60", "--size", "1"),
    "sql": ("SELECT symbol, count(*) FROM trades GROUP BY ALL",),
}
"""The commands that need the package alone."""

EXTRA: dict[str, tuple[str, ...]] = {"serve": ()}
"""Commands that need an extra, and nothing beside the package."""

APPLICATION = {
    command.name: command.needs for commands in COMMANDS.values() for command in commands if command.needs != "package"
}


def test_the_wheel_brings_one_name(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        packed = {name.partition("/")[0] for name in names}
        assert packed == {"booktape", f"booktape-{VERSION}.dist-info"}
        assert archive.read(f"booktape-{VERSION}.dist-info/top_level.txt").split() == [b"booktape"]
        assert b"booktape = booktape.cli.main:program" in archive.read(f"booktape-{VERSION}.dist-info/entry_points.txt")
    expected = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "booktape").rglob("*")
        if path.suffix in {".py", ".sql", ".typed"} and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith("booktape/")} == expected


def test_importing_the_package_imports_no_part_of_the_application(python: Run) -> None:
    modules = ", ".join(repr(module) for extra in ("app", "sandbox") for module in EXTRAS[extra])
    code = (
        "import booktape, sys; from booktape import Archive; from importlib.util import find_spec; "
        f"print(booktape.__version__, sorted(set(sys.modules) & {{{modules}}}), "
        "find_spec('celery'), find_spec('boto3'), find_spec('moto'), find_spec('structlog'))"
    )
    done = python("-c", "import sys; sys.path.pop(0)\n" + code)
    assert (done.stdout, done.stderr) == (f"{VERSION} [] None None None None\n", "")


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's data: a published day of two markets, and a capture."""
    directory = tmp_path_factory.mktemp("user")
    record_day(directory / "data")
    line = {"t": 1723161600087896568, "kind": "ws", "url": "wss://x", "dir": "in", "data": FRAME}
    (directory / "capture.jsonl.gz").write_bytes(gzip.compress(json.dumps(line).encode()))
    command = [sys.executable, "-m", "booktape.cli", "nightly", "--day", DAY, "--source", "binance-trades"]
    environment = {"PYTHONPATH": str(ROOT), "BOOKTAPE_STORAGE": str(directory / "data"), "BOOKTAPE_HEAL": "false"}
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return directory


def test_each_command_is_tried_here() -> None:
    assert {command.name for commands in COMMANDS.values() for command in commands} == {*READING, *EXTRA, *APPLICATION}


@pytest.mark.parametrize("command", READING)
def test_a_command_works_with_the_package_alone(python: Run, user: Path, command: str) -> None:
    arguments = [argument.replace("{user}", str(user)) for argument in READING[command]]
    done = python("-m", "booktape.cli", command, *arguments, BOOKTAPE_STORAGE=str(user / "data"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("command", EXTRA)
def test_a_missing_extra_is_named_in_one_line(python: Run, command: str) -> None:
    done = python("-m", "booktape.cli", command, *EXTRA[command])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: booktape {command} needs ")
    assert done.stderr.endswith(": install Booktape with the extra 'app', in a checkout with pip install '.[app]'\n"), (
        done.stderr
    )
    assert done.stderr.count("\n") == 1


def test_athena_needs_the_extra_only_when_it_is_queried(python: Run, user: Path) -> None:
    done = python(
        "-m", "booktape.cli", "sql", "SELECT 1", "--engine", "athena", BOOKTAPE_STORAGE="s3://bucket/recordings"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: booktape sql needs ")
    assert "the extra 'app'" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", APPLICATION)
def test_a_command_without_its_application_says_in_one_line_how_to_get_it(python: Run, command: str) -> None:
    done = python("-m", "booktape.cli.main", command, "--help")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: booktape {command} needs the {APPLICATION[command]}: run it in a checkout")
    assert done.stderr.count("\n") == 1


def test_the_overview_needs_the_package_alone(python: Run) -> None:
    done = python("-m", "booktape.cli", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "nightly" in done.stdout


def test_every_library_of_an_extra_is_known_to_the_command_line(installed: Path) -> None:
    """Else its absence would end a command with a traceback."""
    booktape = unpacked(installed)
    base = closure(booktape) | {"booktape"}
    modules: dict[str, set[str]] = {}
    for module, names in metadata.packages_distributions().items():
        for name in names:
            modules.setdefault(canonicalize_name(name), set()).add(module)
    for extra, known in EXTRAS.items():
        direct = {canonicalize_name(found.name) for found in requirements(booktape, [extra])}
        assert {name for name in direct - base if not modules[name] & set(known)} == set()


# In a checkout, from a directory with modules of the application's names


@pytest.mark.parametrize("command", ["nightly", "status"])
@pytest.mark.parametrize("module", ["booktape.cli", "booktape.cli.main"])
def test_modules_of_the_working_directory_break_no_command(foreign: Path, command: str, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, command, "--day", "2999-01-01"],
        cwd=foreign,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        1,
        "error: 2999-01-01 is not over yet (UTC); a day is published once it is\n",
    )


def test_modules_of_the_working_directory_break_no_import_of_a_command(foreign: Path) -> None:
    """All commands in one process, with the working directory first on the path as ``python -m`` puts it."""
    code = (
        "import sys; from booktape.cli.commands import COMMANDS, load\n"
        "assert sys.path[0] == ''\n"
        "for commands in COMMANDS.values():\n"
        "    for command in commands: load(command.name)\n"
        "print(sys.modules['config'].__file__, sys.modules['workers'].__file__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=foreign,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(ROOT / "config/__init__.py"), str(ROOT / "workers/__init__.py")]


# The image


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "workers", "--help"),
        ("-m", "celery", "-A", "tasks", "report"),
        ("-m", "booktape.cli", "status", "--help"),
        ("-m", "booktape.cli", "demo"),
    ],
    ids=" ".join,
)
def test_what_the_image_copies_runs_the_application(tmp_path: Path, command: tuple[str, ...]) -> None:
    """As the Dockerfile lays it out: the files that it copies in one directory, which PYTHONPATH names."""
    (tmp_path / "data").mkdir()
    (tmp_path / "app").mkdir()
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for name in line.split()[1:-1]:
                (tmp_path / "app" / name).parent.mkdir(exist_ok=True)
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, tmp_path / "app" / name)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path / "data",
        env=os.environ | {"PYTHONPATH": str(tmp_path / "app"), "REDIS_URL": "redis://127.0.0.1:1/0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if command[-1] == "demo":
        assert done.stderr.startswith("error: booktape demo needs the sandbox: run it in a checkout")
    else:
        assert done.returncode == 0, done.stderr
