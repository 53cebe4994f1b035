"""The language of the code: each public name means one thing, and it is a word of the field."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("booktape", "workers", "tasks", "config")

ADAPTER_FUNCTIONS = {"parse", "parse_rest", "symbol", "market", "instruments", "checksum", "subscribe", "unsubscribe"}
"""The interface that every exchange's package shares: see docs/adding-an-exchange.md."""

ADAPTER_CLASSES = {"Parser"}

PRIVATE_WORDS = re.compile(r"\b(told|heard|asked)\b")
MOST_PRIVATE_WORDS = 20


@cache
def modules() -> dict[Path, ast.Module]:
    """The production code, parsed, by path."""
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return {path.relative_to(ROOT): ast.parse(path.read_text()) for path in [*paths, ROOT / "beat_schedule.py"]}


def is_overload(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in decorators)


def definitions(kinds: type[ast.AST] | tuple[type[ast.AST], ...]) -> Iterator[tuple[str, Path]]:
    for path, module in modules().items():
        for node in module.body:
            if isinstance(node, kinds) and not is_overload(node):
                name = str(node.name)  # type: ignore[attr-defined]  # classes and functions have one
                if not name.startswith("_"):
                    yield name, path


def repeated(kinds: type[ast.AST] | tuple[type[ast.AST], ...], shared: set[str]) -> dict[str, list[str]]:
    """Names that several modules define, but for those that the exchanges' packages share."""
    places: dict[str, list[str]] = defaultdict(list)
    for name, path in definitions(kinds):
        if not (name in shared and path.is_relative_to("booktape/exchanges")):
            places[name].append(str(path))
    return {name: found for name, found in places.items() if len(found) > 1}


def test_no_public_class_name_is_defined_in_two_modules() -> None:
    assert repeated(ast.ClassDef, ADAPTER_CLASSES) == {}


def test_no_public_function_name_is_defined_in_two_modules() -> None:
    assert repeated((ast.FunctionDef, ast.AsyncFunctionDef), ADAPTER_FUNCTIONS) == {}


def test_one_type_means_gap() -> None:
    classes = [name for name, _ in definitions(ast.ClassDef)]

    assert [name for name in classes if re.search(r"Gap$|Missing$|Hole$|Loss$", name)] == ["Gap"]


def test_private_words_are_gone() -> None:
    """`told`, `heard` and `asked` stood in this code for reported, received and requested."""
    found = {str(path): len(PRIVATE_WORDS.findall((ROOT / path).read_text())) for path in modules()}

    assert sum(found.values()) < MOST_PRIVATE_WORDS, {path: count for path, count in found.items() if count}
