"""Habits of this repository that no compiler holds: locks, paths, sizes, the container set-up."""

import re
import subprocess
import tomllib
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from config.celery import NIGHTLY, queues, snapshot_queue
from config.venues import load_venues
from workers.command import record

ROOT = Path(__file__).parents[1]
PRODUCTION = ROOT / "requirements/production.lock"
DEVELOPMENT = ROOT / "requirements/development.lock"
LOADERS = ROOT / "requirements/loaders.lock"


@cache
def files() -> list[Path]:
    """Every file that is, or would be, committed."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pinned(lock: Path) -> dict[str, set[str]]:
    """The versions of each package in a lock: more than one where they differ by Python version."""
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE):
        pins.setdefault(name, set()).add(version)
    return pins


def names(requirements: list[str]) -> set[str]:
    """``celery[redis]>=5`` to ``celery``, spelled as in a lock."""
    found = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {re.sub(r"[._]", "-", match[0]).lower() for match in found if match}


@pytest.mark.parametrize("lock", [PRODUCTION, DEVELOPMENT], ids=lambda lock: lock.stem)
def test_a_lock_pins_every_package_with_hashes_and_names_no_index(lock: Path) -> None:
    entries = re.split(r"\n(?=\S)", lock.read_text().strip())
    packages = [entry for entry in entries if not entry.startswith("#")]

    assert [entry for entry in packages if not re.match(r"[a-z0-9-]+==\S+.*\\\n    --hash=sha256:", entry)] == []
    assert "://" not in lock.read_text()


def test_the_locks_hold_every_direct_dependency() -> None:
    """Else a fresh set-up fails at the first import, or fetches what nobody has pinned."""
    project = pyproject()["project"]
    extras = project["optional-dependencies"]
    needed = names(project["dependencies"] + extras["app"] + pyproject()["build-system"]["requires"])
    tools = names(extras["dev"] + extras["sandbox"] + extras["frames"]) - {"booktape"}

    assert needed - pinned(PRODUCTION).keys() == set()
    assert (needed | tools) - pinned(DEVELOPMENT).keys() == set()


def test_every_dependency_has_bounds_that_hold_what_is_locked() -> None:
    """Else a later release of a dependency breaks an installation that no lock protects."""
    project = pyproject()["project"]
    listed = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    requirements = [found for text in listed if (found := Requirement(text)).name != "booktape"]
    locked = pinned(LOADERS)

    bounds = {str(found): {one.operator for one in found.specifier} for found in requirements}
    assert {text: operators for text, operators in bounds.items() if operators != {">=", "<"}} == {}
    assert [
        f"{found.name} {version}"
        for found in requirements
        for version in locked.get(canonicalize_name(found.name), ())
        if version not in found.specifier
    ] == []


def test_the_container_image_gets_the_versions_that_were_tested() -> None:
    tested = pinned(DEVELOPMENT)

    assert {
        name: (there, tested.get(name)) for name, there in pinned(PRODUCTION).items() if tested.get(name) != there
    } == {}


def test_no_file_names_a_folder_of_one_machine_or_an_index() -> None:
    """Written in parts, so that this file does not find itself."""
    options = "|".join("--" + option for option in ("index-url", "extra-index-url", "find-links"))
    forbidden = re.compile(rf"{options}|/(root|home|work)/".encode())
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files()
        if path.suffix not in {".gz", ".png"}
        for number, line in enumerate(path.read_bytes().splitlines(), start=1)
        if forbidden.search(line)
    ]

    assert found == []


def test_the_image_copies_every_package_and_nothing_that_is_missing() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sources = {source for line in copies for source in line.split()}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = set(pyproject()["tool"]["importlinter"]["root_packages"])

    assert {source for source in sources if not (ROOT / source).exists()} == set()
    assert sources == allowed
    assert packages - {"sandbox"} <= sources


# docker-compose.yml


@cache
def services() -> dict[str, dict[str, Any]]:
    text = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", (ROOT / "docker-compose.yml").read_text())
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return found


@cache
def ingesters() -> list[dict[str, Any]]:
    """What the command line of each ingester says."""
    app = typer.Typer()
    app.command()(record)
    command = typer.main.get_command(app)
    lines = [service["entrypoint"] + service["command"] for service in services().values() if "entrypoint" in service]
    assert all(line[:3] == ["python", "-m", "workers"] for line in lines)
    return [command.make_context("workers", line[3:]).params for line in lines]


def test_two_ingesters_record_each_exchange_of_the_venues_file_by_that_file() -> None:
    found = sorted((options["exchange"], options["instance"], options["markets"]) for options in ingesters())

    assert found == [(name, instance, None) for name in sorted(load_venues()) for instance in ("a", "b")]


def test_every_queue_of_what_is_recorded_has_a_worker() -> None:
    commands = [service["command"] for service in services().values() if service["command"][:1] == ["celery"]]
    lists = [command[command.index("-Q") + 1] for command in commands if "worker" in command]
    served = [queue for queues in lists for queue in queues.split(",")]

    assert all(command[1:3] == ["-A", "tasks"] for command in commands)
    recorded = [NIGHTLY, *map(snapshot_queue, load_venues())]
    assert sorted(served) == sorted(queue for queue in queues() if queue in recorded)
