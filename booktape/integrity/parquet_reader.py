"""Reads published Parquet files: computes the CSV's lines from them, and the sequence ids that only they have.

Memory is bounded: records are read in the order of the file, market by market; what must be sorted is spilled to disk.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import file_digest, sha256
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import duckdb
from msgspec import Raw

from booktape.integrity.book_audit import Message
from booktape.merge.sql_fragments import escape_glob
from booktape.model.csv import COLUMNS
from booktape.model.errors import DataError
from booktape.model.id_sets import Range
from booktape.model.records import BOOK_UPDATES, TRADES, BookSnapshot, BookUpdate
from booktape.model.sequence import LINKED, RANGED, SEQUENCED
from booktape.store.objects import Store, directory_of

if TYPE_CHECKING:
    import hashlib

_MEMORY: Final = "500MB"
_AT_ONCE: Final = 2_000
SPANS: Final = {
    (SEQUENCED, TRADES): ("sequence", "sequence"),
    (RANGED, BOOK_UPDATES): ("first_id", "last_id"),
    (LINKED, BOOK_UPDATES): ("previous_id + 1", "last_id"),
}
"""SQL for the first and the last sequence id that a record stands for, where the CSV does not have them."""


class InvalidParquetError(DataError):
    """A Parquet file that cannot be read, or is not as it is published."""


@dataclass(slots=True)
class ParquetMarket:
    """One market's records, and the rows of the CSV that they give.

    Of a book ``records`` counts the updates. ``digest`` is over the rows' lines, each with its LF.
    """

    rows: int = 0
    records: int = 0
    snapshots: int = 0
    digest: "hashlib._Hash" = field(default_factory=sha256)

    @property
    def sha256(self) -> str:
        """SHA-256 of the market's lines in the CSV, in hex."""
        return self.digest.hexdigest()


@dataclass(frozen=True, slots=True)
class ParquetNumbers:
    """The sequence ids in one market's records: the first, the last, and the ranges that no record has.

    ``afters`` maps the last id of each of these ranges to the last id of the record after it.
    """

    first: int
    last: int
    missing: list[Range]
    afters: Mapping[int, int]


@contextmanager
def local(store: Store, keys: Sequence[str]) -> Iterator[list[Path]]:
    """Provide published files on this machine. Those of a bucket are copied, and removed afterwards."""
    directory = directory_of(store.url)
    if directory is not None:
        yield [directory / key for key in keys]
        return
    with TemporaryDirectory(prefix="booktape-parquet-") as name:
        paths = [Path(name) / key for key in keys]
        for key, path in zip(keys, paths, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for chunk in store.stream(key):
                    file.write(chunk)
        yield paths


def hashes(key: str, keys: Sequence[str], paths: Sequence[Path]) -> bytes:
    """Compute the content of a ``.sha256`` object, as ``sha256sum -c`` reads it.

    :param key: the file, or the folder of the files; names are relative to the folder that it is in.
    """
    folder = f"{key.rpartition('/')[0]}/"
    found = zip(keys, paths, strict=True)
    return "".join(f"{_sha256(path)}  {name.removeprefix(folder)}\n" for name, path in found).encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def read_published_parquet(paths: Sequence[Path], data_type: str, *, folders: bool) -> dict[str, ParquetMarket]:
    """Compute what each market's records are as rows of the CSV.

    :param folders: there is a folder for each market, and ``position`` orders the records of its files; else there is
        one file, which is in order.
    :raises InvalidParquetError: a file cannot be read, or its positions do not count from 1.
    """
    found: defaultdict[str, ParquetMarket] = defaultdict(ParquetMarket)
    sql = f"SELECT symbol, position, {_rows(data_type)} FROM {_files(folders)}"
    with _connection() as connection:
        for one in _groups(paths) if folders else [list(paths)]:
            result = connection.execute(f"{sql}{' ORDER BY position' if folders else ''}", _named(one))
            while chunk := result.fetchmany(_AT_ONCE):
                for symbol, records in groupby(chunk, key=itemgetter(0)):
                    _take(found[symbol], symbol, list(records))
    return dict(found)


def _take(market: ParquetMarket, symbol: str, records: Sequence[tuple[Any, ...]]) -> None:
    _, positions, rows, snapshots, lines = zip(*records, strict=True)
    start = market.records + market.snapshots + 1
    if positions != tuple(range(start, start + len(positions))):
        raise InvalidParquetError(
            f"the Parquet file is not in order: its positions of {symbol} do not count on from {start}"
        )
    market.rows += sum(rows)
    market.snapshots += sum(snapshots)
    market.records += len(records) - sum(snapshots)
    market.digest.update("".join(lines).encode())


def numbers(paths: Sequence[Path], data_type: str, rule: str, *, folders: bool) -> Mapping[str, ParquetNumbers]:
    """Find the sequence ids that the CSV does not have: of trades under ``sequenced``, of books under ``ranged`` and
    ``linked``.

    The result is empty under other rules.

    :raises InvalidParquetError: a file cannot be read.
    """
    if (rule, data_type) not in SPANS:
        return {}
    first, last = SPANS[rule, data_type]
    updates = "AND NOT is_snapshot" if data_type == BOOK_UPDATES else ""
    all_records = f"SELECT *, {first} AS first, {last} AS last FROM {_files(folders)}"
    spans = f"SELECT symbol, first, last FROM ({all_records}) WHERE first + last IS NOT NULL {updates}"
    ends = f"SELECT symbol, min(first), min(last), max(last) FROM ({spans}) GROUP BY symbol"
    reached = (
        "SELECT symbol, first, last, max(last) OVER (PARTITION BY symbol ORDER BY first, last "
        f"ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached FROM ({spans})"
    )
    missing = f"SELECT symbol, reached + 1, first - 1, last FROM ({reached}) WHERE first > reached + 1 ORDER BY ALL"
    found: defaultdict[str, list[Range]] = defaultdict(list)
    afters: defaultdict[str, dict[int, int]] = defaultdict(dict)
    with _connection() as connection:
        for symbol, start, end, after in connection.execute(missing, _named(paths)).fetchall():
            found[symbol].append((start, end))
            afters[symbol][end] = after
        return {
            symbol: ParquetNumbers(least_last if rule == LINKED else least, greatest, found[symbol], afters[symbol])
            for symbol, least, least_last, greatest in connection.execute(ends, _named(paths)).fetchall()
        }


def messages(paths: Sequence[Path], *, folders: bool) -> Iterator[tuple[str, Message, int]]:
    """Yield the market, the message and its time (µs) for each book message, market by market in the file's order.

    Where the engine gave no time, the message has the time that it is published with.

    :raises InvalidParquetError: a file cannot be read.
    """
    sides = ", ".join(_json(side) for side in ("bids", "asks"))
    sql = (
        "SELECT symbol, is_snapshot, first_id, last_id, previous_id, timestamp, local_timestamp, origin, checksum, "
        f"{sides} FROM {_files(folders)}"
    )
    with _connection() as connection:
        for one in _groups(paths) if folders else [list(paths)]:
            result = connection.execute(f"{sql}{' ORDER BY position' if folders else ''}", _named(one))
            while chunk := result.fetchmany(_AT_ONCE):
                for symbol, *fields in chunk:
                    yield symbol, _message(*fields), fields[4]


def _message(
    is_snapshot: bool,
    first: int | None,
    last: int | None,
    previous: int | None,
    time: int,
    received: int,
    origin: str | None,
    checksum: int | None,
    bids: str,
    asks: str,
) -> Message:
    if is_snapshot:
        return BookSnapshot(
            last_id=last, timestamp=time, bids=Raw(bids.encode()), asks=Raw(asks.encode()), checksum=checksum,
            origin=origin or "", local_timestamp=received,
        )  # fmt: skip
    return BookUpdate(
        first_id=first, last_id=last, previous_id=previous, timestamp=time, bids=Raw(bids.encode()),
        asks=Raw(asks.encode()), checksum=checksum, local_timestamp=received,
    )  # fmt: skip


def _json(side: str) -> str:
    """SQL for a side's levels as they are stored: ``[["price","amount"],…]``."""
    level = """'["' || level.price || '","' || level.amount || '"]'"""
    return f"'[' || array_to_string(list_transform({side}, lambda level: {level}), ',') || ']'"


def provenance(paths: Sequence[Path], *, folders: bool) -> Mapping[str, Mapping[str, int]]:
    """Count each market's records by their provenance.

    :raises InvalidParquetError: a file cannot be read.
    """
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    sql = f"SELECT symbol, provenance, count(*) FROM {_files(folders)} GROUP BY ALL"
    with _connection() as connection:
        for symbol, name, count in connection.execute(sql, _named(paths)).fetchall():
            found[symbol][name] = count
    return found


def _rows(data_type: str) -> str:
    """SQL for a record's rows in the CSV: their number, whether it is a snapshot, and the text of their lines."""
    columns = COLUMNS[data_type]
    if data_type != BOOK_UPDATES:
        return f"1, 0, {' || chr(44) || '.join(map(_field, columns))} || chr(10)"
    begin = " || ".join(f"{_field(name)} || chr(44)" for name in columns[:5])
    level = f"{_field('level.price')} || ',' || {_field('level.amount')}"
    sides = [f"""list_transform({side}s, lambda level: '"{side}",' || {level})""" for side in ("bid", "ask")]
    lines = f"list_transform({sides[0]} || {sides[1]}, lambda line: {begin} || line || chr(10))"
    return f"len(bids) + len(asks), is_snapshot::INTEGER, array_to_string({lines}, '')"


def _field(name: str) -> str:
    """SQL for a value as the CSV quotes it; a missing value is empty."""
    return f"""coalesce('"' || replace({name}::VARCHAR, '"', '""') || '"', '')"""


@contextmanager
def _connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with TemporaryDirectory(prefix="booktape-parquet-") as spilled:
        try:
            with duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": spilled}) as connection:
                yield connection
        except duckdb.Error as error:
            raise InvalidParquetError(f"the Parquet file cannot be read: {str(error).partition(chr(10))[0]}") from error


def _files(folders: bool) -> str:
    """SQL for the files. With folders, their names have the market, and the files have not."""
    return f"read_parquet($files, hive_partitioning = {folders})"


def _groups(paths: Sequence[Path]) -> Iterator[list[Path]]:
    for _, some in groupby(sorted(paths), key=lambda path: path.parent):
        yield list(some)


def _named(paths: Sequence[Path]) -> dict[str, list[str]]:
    return {"files": [escape_glob(path) for path in paths]}
