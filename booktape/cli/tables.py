"""Rows to the terminal, to CSV, JSON lines or Parquet: what all commands that answer with rows share."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final, Literal

import duckdb
from msgspec import json
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from booktape.cli.console import err
from booktape.merge.sql_fragments import PARQUET_FORMAT, copy_to, read_json_lines
from booktape.model.errors import InvalidInputError

Form = Literal["table", "csv", "json", "parquet"]
Row = Sequence[object]
"""One row's values: None, bool, int, text, or lists of these."""

_MOST_SHOWN: Final = 1_000
_wide: Final = Console(width=10_000)
"""The terminal wraps a row that is too wide; rich would cut its numbers."""

_SUFFIXES: Final[dict[str, Form]] = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
_TYPES: Final = ((bool, "BOOLEAN"), (int, "BIGINT"), (float, "DOUBLE"), (list | tuple, "VARCHAR[][]"))


class InvalidOutputError(InvalidInputError):
    """The format and the file do not go together, or the file cannot be written."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go: to a file, or without one to standard output."""

    form: Form
    path: Path | None


def target(*, as_csv: bool, as_json: bool, as_parquet: bool, output: Path | None) -> Target:
    """The target that the options name. Raises :class:`InvalidOutputError`."""
    options: dict[Form, bool] = {"csv": as_csv, "json": as_json, "parquet": as_parquet}
    chosen = [form for form, wanted in options.items() if wanted]
    if len(chosen) > 1:
        raise InvalidOutputError(f"--{chosen[0]} and --{chosen[1]} exclude each other: give one of them")
    if output is None:
        if chosen == ["parquet"]:
            raise InvalidOutputError("Parquet cannot be printed: say where to write it with --output FILE")
        return Target(chosen[0] if chosen else "table", None)
    form = chosen[0] if chosen else _SUFFIXES.get(output.suffix.lower())
    if form is None:
        raise InvalidOutputError(f"{output} has no suffix of a known format: add --csv, --json or --parquet")
    return Target(form, output)


def write(columns: Sequence[str], rows: Iterable[Row], to: Target, types: Mapping[str, str] | None = None) -> int:
    """Write rows as they come; how many there were. A file appears whole or not at all.
    Raises :class:`InvalidOutputError`.

    :param types: DuckDB's types of columns, for Parquet; what the first values are, for those that it leaves out.
    """
    if to.form == "table":
        return _show(columns, rows)
    if to.path is None:
        return _FORMS[to.form](columns, rows, sys.stdout)
    with placed(to.path) as aside:
        if to.form == "parquet":
            count = _parquet(columns, rows, aside, types or {})
        else:
            with aside.open("w", encoding="utf-8", newline="") as file:
                count = _FORMS[to.form](columns, rows, file)
    err.print(f"{count:,} rows in {escape(str(to.path))}", highlight=False)
    return count


def _show(columns: Sequence[str], rows: Iterable[Row]) -> int:
    table = Table(*(escape(column) for column in columns), box=None, pad_edge=False)
    source, count = iter(rows), 0
    for row in islice(source, _MOST_SHOWN):
        table.add_row(*(escape(_text(value)) for value in row))
        count += 1
    _wide.print(table, highlight=False)
    if next(source, None) is not None:
        err.print(f"only the first {_MOST_SHOWN:,} rows are shown; --csv, --json and --output give all")
    return count


def _csv(columns: Sequence[str], rows: Iterable[Row], file: IO[str]) -> int:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow(map(_text, row))
        count += 1
    return count


def _json(columns: Sequence[str], rows: Iterable[Row], file: IO[str]) -> int:
    count = 0
    for row in rows:
        file.write(json.encode(dict(zip(columns, row, strict=True))).decode() + "\n")
        count += 1
    return count


_FORMS: Final[dict[Form, Callable[[Sequence[str], Iterable[Row], IO[str]], int]]] = {"csv": _csv, "json": _json}


def _parquet(columns: Sequence[str], rows: Iterable[Row], path: Path, types: Mapping[str, str]) -> int:
    """By way of JSON lines, so that any number of rows needs little memory. The types come from the first values."""
    known = dict(types)

    def noted() -> Iterator[Row]:
        for row in rows:
            if len(known) < len(columns):
                for column, value in zip(columns, row, strict=True):
                    if value is not None:
                        known.setdefault(column, _type(value))
            yield row

    with TemporaryDirectory(prefix="booktape-") as name:
        lines = Path(name) / "rows.jsonl"
        with lines.open("w", encoding="utf-8") as file:
            count = _json(columns, noted(), file)
        source = read_json_lines([lines], {column: known.get(column, "VARCHAR") for column in columns})
        with duckdb.connect(config={"temp_directory": name}) as connection:
            connection.execute(copy_to(f"FROM {source}", path, PARQUET_FORMAT))
    return count


def _type(value: object) -> str:
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "VARCHAR")


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list() | tuple() | dict():
            return json.encode(value).decode()
    return str(value)


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """A file to write, which takes its place when it is whole."""
    if path.exists() and not path.is_file():
        raise InvalidOutputError(f"{path} is no file that could be replaced; choose another --output")
    aside = path.with_name(f".{path.name}.part")
    try:
        yield aside
        aside.replace(path)
    except OSError as error:
        raise InvalidOutputError(f"{path} cannot be written: {error.strerror}; choose another --output") from error
    finally:
        aside.unlink(missing_ok=True)
