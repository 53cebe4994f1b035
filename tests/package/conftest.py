"""The package as a user gets it: the wheel with its dependencies and nothing else, without a package index."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

Run = Callable[..., "subprocess.CompletedProcess[str]"]

FOREIGN = ("config", "tasks", "workers", "sandbox", "beat_schedule", "settings", "celeryconfig")
"""Modules that a user's directory may hold, too."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built from a copy: in the tree itself, an earlier build would leave its files in it."""
    directory = tmp_path_factory.mktemp("wheel")
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
            (directory / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, directory / "source" / name)
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(directory)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(directory / "source")], check=True)
    (found,) = directory.glob("*.whl")
    return found


def requirements(distribution: metadata.Distribution, extras: Iterable[str] = ()) -> Iterator[Requirement]:
    """What a distribution requires on this machine, with some of its extras."""
    for text in distribution.requires or ():
        found = Requirement(text)
        if found.marker is None or any(found.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield found


def closure(distribution: metadata.Distribution) -> set[str]:
    """The names of the distributions that are installed with one, without its extras."""
    names: set[str] = set()
    waiting = list(requirements(distribution))
    while waiting:
        found = waiting.pop()
        name = canonicalize_name(found.name)
        if name not in names:
            names.add(name)
            waiting += requirements(metadata.distribution(name), found.extras)
    return names


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what ``pip install`` of the wheel, without extras, puts into ``site-packages``."""
    directory = tmp_path_factory.mktemp("installed")
    with ZipFile(wheel) as archive:
        archive.extractall(directory)
    for name in closure(unpacked(directory)):
        distribution = metadata.distribution(name)
        for top in {path.parts[0] for path in distribution.files or () if path.parts[0] not in ("..", "__pycache__")}:
            if not (directory / top).exists():
                (directory / top).symlink_to(Path(str(distribution.locate_file(top))))
    return directory


def unpacked(directory: Path) -> metadata.Distribution:
    """The distribution of the wheel in a directory: the one of the development environment may be older."""
    (found,) = [one for one in metadata.distributions(path=[str(directory)]) if one.name == "booktape"]
    return found


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A working directory with broken modules that have the names of the application's."""
    directory = tmp_path / "foreign"
    directory.mkdir()
    for name in FOREIGN:
        (directory / f"{name}.py").write_text(f"raise RuntimeError('{name}.py of the working directory is imported')\n")
    return directory


@pytest.fixture
def python(installed: Path, foreign: Path) -> Run:
    """``python("-m", "booktape.cli", …)`` in the installation, in the foreign working directory."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-S", *arguments],  # without the packages of the development environment
            cwd=foreign,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "COLUMNS": "200"} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
