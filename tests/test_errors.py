"""The tree of exceptions, and the page that lists it."""

import inspect
import os
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import booktape
import config
import tasks
import workers
from booktape.model import errors
from booktape.model.errors import BooktapeError, TransientError

PAGE = Path(__file__).parents[1] / "docs/errors.md"
ROW = re.compile(r"^\| (?:&emsp;)*`(\w+)` \|.*\| (?:transient|terminal) \| (.+) \|$", re.MULTILINE)


@cache
def exceptions() -> dict[str, type[BaseException]]:
    """Every exception class that a module of Booktape defines, by its name."""
    names = [
        name
        for package in (booktape, config, tasks, workers)
        for name in (package.__name__, *(one.name for one in walk_packages(package.__path__, f"{package.__name__}.")))
        if not name.endswith("__main__")
    ]
    defined = [
        value
        for name in names
        for value in vars(import_module(name)).values()
        if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == name
    ]
    assert len({one.__name__ for one in defined}) == len(defined), "a name stands for two exceptions"
    return {one.__name__: one for one in defined}


def base(kind: type[BaseException]) -> type[BaseException] | None:
    """The class above another one in the tree."""
    return next((one for one in kind.__bases__ if issubclass(one, BooktapeError)), None)


def tree(kind: type[BaseException] = BooktapeError, depth: int = 0) -> Iterator[tuple[int, type[BaseException]]]:
    """All exceptions, each below the one that it derives from."""
    yield depth, kind
    below = [one for one in exceptions().values() if base(one) is kind]
    for one in sorted(below, key=lambda one: (one.__module__ != errors.__name__, one.__module__, one.__name__)):
        yield from tree(one, depth + 1)


def row(depth: int, kind: type[BaseException], next_step: str) -> str:
    """A class's row of the page: its meaning is the first paragraph of its docstring."""
    meaning = (inspect.getdoc(kind) or "").split("\n\n", maxsplit=1)[0].replace("\n", " ").replace("``", "`")
    repeat = "transient" if issubclass(kind, TransientError) else "terminal"
    return f"| {'&emsp;' * depth}`{kind.__name__}` | {meaning} | {repeat} | {next_step} |\n"


def test_every_exception_ends_in_error_and_stands_in_the_tree() -> None:
    for name, kind in exceptions().items():
        assert name.endswith("Error")
        assert issubclass(kind, BooktapeError), f"{kind.__module__}.{name} does not derive from BooktapeError"


def test_the_branches_are_those_that_the_module_draws() -> None:
    drawn = re.findall(r"^\s*[│├└─ ]*(\w+Error)\b(?: {2,}|$)", errors.__doc__ or "", re.MULTILINE)
    defined = [name for name, kind in vars(errors).items() if inspect.isclass(kind)]
    assert drawn == defined


@pytest.mark.parametrize("kind", exceptions().values(), ids=lambda kind: kind.__name__)
def test_every_exception_derives_from_a_branch_rather_than_from_the_root(kind: type[BaseException]) -> None:
    assert base(kind) is not BooktapeError or kind.__module__ == errors.__name__


def test_the_page_lists_the_tree_with_the_meaning_and_the_next_step_of_each() -> None:
    """Next steps are written by hand; ``BOOKTAPE_REGENERATE_ERRORS=1`` writes the rest of the page's table anew."""
    page = PAGE.read_text()
    head = page[: page.index("|---|---|---|---|\n") + len("|---|---|---|---|\n")]
    next_steps = {match[1]: match[2] for match in ROW.finditer(page)}
    expected = head + "".join(row(depth, kind, next_steps.get(kind.__name__, "?")) for depth, kind in tree())
    if os.environ.get("BOOKTAPE_REGENERATE_ERRORS"):
        PAGE.write_text(expected)
    assert page == expected, "write the table anew: BOOKTAPE_REGENERATE_ERRORS=1 pytest tests/test_errors.py"
    assert "| ? |" not in page, "write the next step of each new class into docs/errors.md"
