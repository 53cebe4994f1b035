"""A day's published Parquet, opened for reading market by market."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import duckdb

from booktape.merge.sql_fragments import literal
from booktape.model.errors import BooktapeError
from booktape.store.objects import Store

DAY_VIEW: Final = "day"
"""The view with the rows of the whole day: the columns of :data:`booktape.model.parquet.PARQUET_COLUMNS`."""


class NoPublishedFileError(BooktapeError):
    """There is no published Parquet at that key."""


class MarketNotFoundError(BooktapeError):
    """The day has no records of that market."""


class ExportFailedError(BooktapeError):
    """DuckDB could not do it."""


class OpenedDay(NamedTuple):
    """A day that is open: a connection with the view :data:`DAY_VIEW`, and a directory for what is being made."""

    connection: duckdb.DuckDBPyConnection
    directory: Path

    def markets(self, wanted: Sequence[str]) -> list[str]:
        """The day's markets that the names and globs stand for, all of them if none is given, sorted.

        Raises :class:`MarketNotFoundError` for a name or glob that stands for none.
        """
        found = self.connection.execute(f"SELECT DISTINCT symbol FROM {DAY_VIEW} ORDER BY symbol").fetchall()
        there: list[str] = [symbol for (symbol,) in found]
        for name in wanted:
            if not any(fnmatchcase(market, name) for market in there):
                known = ", ".join(there[:20]) + (", …" if len(there) > 20 else "")
                raise MarketNotFoundError(f"no records of {name!r} on that day; there are: {known}")
        return [market for market in there if not wanted or any(fnmatchcase(market, name) for name in wanted)]


@contextmanager
def open_published_day(published: Store, key: str, memory: str) -> Iterator[OpenedDay]:
    """Open the published Parquet at a key: one file, or a folder of files for each market (Athena's).

    What lies in a bucket is copied to this machine for as long as it is open. Raises :class:`NoPublishedFileError`, and
    :class:`ExportFailedError` in place of DuckDB's errors.
    """
    with TemporaryDirectory(prefix="booktape-export-") as name:
        directory = Path(name)
        files, folders = _files(published, key, directory)
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "temp_directory": str(directory / "spilled"),
            "threads": 1,  # the order in which rows are written must not depend on the machine
        }
        try:
            with duckdb.connect(config=config) as connection:
                _open_view(connection, files, folders=folders)
                yield OpenedDay(connection, directory)
        except duckdb.OutOfMemoryException as error:
            raise ExportFailedError(f"DuckDB needs more than {memory}: allow more (BOOKTAPE_MERGE_MEMORY)") from error
        except duckdb.Error as error:
            raise ExportFailedError(f"{published.url}/{key}: {str(error).partition(chr(10))[0]}") from error


def _open_view(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], *, folders: bool) -> None:
    """:param folders: the market stands in the folders' names, not in the files."""
    paths = ", ".join(literal(_literally(path)) for path in files)
    partitions = (
        "hive_partitioning = true, hive_types = {'symbol': VARCHAR}" if folders else "hive_partitioning = false"
    )
    connection.execute(f"CREATE VIEW {DAY_VIEW} AS SELECT * FROM read_parquet([{paths}], {partitions})")


def _files(published: Store, key: str, directory: Path) -> tuple[list[Path], bool]:
    """The published files on this machine, and whether they are those of a folder."""
    folders = not published.exists(key)
    keys = sorted(found.key for found in published.objects(key)) if folders else [key]
    if not keys:
        raise NoPublishedFileError(
            f"{published.url} has no published Parquet at {key!r}; `booktape status` tells what it has"
        )
    if published.directory is not None:
        return [published.directory / one for one in keys], folders
    copies = []
    for one in keys:
        copy = directory / "published" / one
        copy.parent.mkdir(parents=True, exist_ok=True)
        with copy.open("wb") as file:
            for chunk in published.stream(one):
                file.write(chunk)
        copies.append(copy)
    return copies, folders


def _literally(path: Path) -> str:
    """A path that DuckDB does not take for a pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
