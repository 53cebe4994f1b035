"""Holding what the code writes today against what it wrote before: whole texts, and readable differences."""

import gzip
import os
import re
from collections.abc import Callable, Iterable
from difflib import unified_diff
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

import duckdb
import pytest

EXPECTED: Final = Path(__file__).parent / "expected"
WORDING: Final = "wording"
"""The folder of what is said in words: free texts in results, tables, standard error."""
REGENERATE: Final = "BOOKTAPE_REGENERATE_GOLDEN"

_MOST_LINES: Final = 120
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TEXTS: Final = (".json", ".csv", ".sha256", ".jsonl", ".txt")
_FREE: Final = re.compile(r'"(why|detail|held|difference)":( ?)("(?:[^"\\]|\\.)*")')
_LISTED: Final = re.compile(r'"(differences|not_understood)":( ?)([\[{](?:"(?:[^"\\]|\\.)*"|[^"\]}])*[\]}])')
_TOKEN: Final = re.compile(r"\b[0-9a-f]{32}\b")
_MAKER: Final = re.compile(r'"(booktape|sql_sha256)": "[^"]*"')
_NOW: Final = re.compile(r"\b17234640\d{8}\b")

_CHANGED: Final = (
    "A changed format needs a version of its own, and a reader of the old one: see tests/golden/README.md."
)
_REWORDED: Final = (
    "Only words changed. If that is meant, write them anew: BOOKTAPE_REGENERATE_GOLDEN=wording pytest tests/golden"
)


def compare_in_two(name: str, actual: str, said: str = "") -> None:
    """Hold a text against ``expected/{name}``, and the free texts in its JSON against ``expected/wording/{name}``.

    Programs rely on the first one; the second one is for readers, and may be worded better.

    :param said: more that is only for readers.
    """
    words = [match.group(0) for pattern in (_FREE, _LISTED) for match in pattern.finditer(actual)]
    structure = _LISTED.sub(_hidden, _FREE.sub(_hidden, actual))
    compare(name, structure)
    wording = "".join(f"{one}\n" for one in words) + said
    if wording:
        compare(f"{WORDING}/{name}", wording)


def _hidden(match: re.Match[str]) -> str:
    name, space, value = match.groups()
    return match.group(0) if value in ("[]", "{}") else f'"{name}":{space}{{said}}'


def compare(name: str, actual: str) -> None:
    """Fail with a difference unless ``expected/{name}`` holds this text.

    With ``BOOKTAPE_REGENERATE_GOLDEN=all`` in the environment the file is written instead; with ``wording`` only those
    in that folder are.
    """
    path = EXPECTED / name
    wanted = os.environ.get(REGENERATE)
    if wanted == "all" or (wanted == WORDING and name.startswith(f"{WORDING}/")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(actual.encode())
        return
    if not path.is_file():
        pytest.fail(f"there is no {path.name}: write it with {REGENERATE}=all pytest tests/golden", pytrace=False)
    expected = path.read_bytes().decode()
    if actual == expected:
        return
    difference = list(
        islice(
            unified_diff(expected.splitlines(True), actual.splitlines(True), f"expected/{name}", "today's code", n=2),
            _MOST_LINES + 1,
        )
    )
    shown = "".join(line if line.endswith("\n") else f"{line}\n" for line in difference[:_MOST_LINES])
    rest = "…\n" if len(difference) > _MOST_LINES else ""
    advice = _REWORDED if name.startswith(f"{WORDING}/") else _CHANGED
    pytest.fail(f"{name} is not as it was\n{shown}{rest}{advice}", pytrace=False)


def masked(text: str, replaced: Iterable[tuple[str, str]]) -> str:
    """The text without what may differ: directories, tokens, the tests' own time (µs), and who made a certificate."""
    for old, new in replaced:
        text = text.replace(old, new)
    text = _NOW.sub("{now}", text)
    text = _TOKEN.sub("{token}", _UUID.sub("{uuid}", text))
    return _MAKER.sub(r'"\1": "{\1}"', text)


def tree(directory: Path, wanted: Callable[[str], bool] = lambda key: True) -> str:
    """All files below a directory as one text: each one's key, and its content in readable form."""
    parts = []
    for path in sorted(directory.rglob("*")):
        key = path.relative_to(directory).as_posix()
        if path.is_file() and wanted(key):
            parts.append(f"==> {key}\n{shown(path)}\n")
    return "".join(parts)


def shown(path: Path) -> str:
    """A file's content: text as it is; gzip as the hash of its bytes and the text inside; Parquet as its rows."""
    if path.suffix == ".parquet":
        return parquet(path)
    content = path.read_bytes()
    if path.suffix == ".gz":
        return f"gzip of sha256 {sha256(content).hexdigest()}\n{gzip.decompress(content).decode()}"
    assert path.suffix in _TEXTS, f"{path} has no readable form"
    return content.decode()


def parquet(path: Path) -> str:
    """A Parquet file's schema, its key-value metadata and its rows; not its bytes, which a version of DuckDB makes."""
    with duckdb.connect() as connection:
        schema = connection.execute(
            "SELECT name, type, repetition_type, converted_type, logical_type FROM parquet_schema(?)", [str(path)]
        ).fetchall()
        metadata = connection.execute(
            "SELECT key::VARCHAR, value::VARCHAR FROM parquet_kv_metadata(?) ORDER BY 1", [str(path)]
        ).fetchall()
        form = connection.execute("SELECT DISTINCT compression FROM parquet_metadata(?)", [str(path)]).fetchall()
        rows = connection.execute(
            "SELECT to_json(found)::VARCHAR FROM read_parquet(?, hive_partitioning = false) AS found", [str(path)]
        ).fetchall()
    lines = [f"schema {column}" for column in schema] + [f"metadata {pair}" for pair in metadata]
    return "\n".join([*lines, f"compression {form}", *(row for (row,) in rows), ""])
