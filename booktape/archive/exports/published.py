"""Opens the published Parquet of a day, to be read market by market."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import duckdb

from booktape.merge.sql_fragments import read_parquet
from booktape.model.errors import FailedError, NotAvailableError
from booktape.store.objects import Store

DAY_VIEW: Final = "day"
"""The view with the rows of the whole day: the columns of :data:`booktape.model.parquet.PARQUET_COLUMNS`."""


class NoPublishedFileError(NotAvailableError):
    """The key holds no published Parquet."""


class MarketNotFoundError(NotAvailableError):
    """The day has no records of a market."""


class ExportFailedError(FailedError):
    """DuckDB cannot read the day or write a file."""


class ExportSource(NamedTuple):
    """An open day: a connection with the view :data:`DAY_VIEW`, and a directory for temporary files."""

    connection: duckdb.DuckDBPyConnection
    directory: Path

    def markets(self, wanted: Sequence[str]) -> list[str]:
        """The markets of the day that match a name or glob, sorted; all of them where none is given.

        Raises :class:`MarketNotFoundError` for a name or glob that no market matches.
        """
        rows = self.connection.execute(f"SELECT DISTINCT symbol FROM {DAY_VIEW} ORDER BY symbol").fetchall()
        markets: list[str] = [symbol for (symbol,) in rows]
        for name in wanted:
            if not any(fnmatchcase(market, name) for market in markets):
                known = ", ".join(markets[:20]) + (", …" if len(markets) > 20 else "")
                raise MarketNotFoundError(f"no records of {name!r} on that day; there are: {known}")
        return [market for market in markets if not wanted or any(fnmatchcase(market, name) for name in wanted)]


@contextmanager
def open_published_day(published: Store, key: str, memory: str) -> Iterator[ExportSource]:
    """Open the published Parquet at a key: one file, or Athena's folder with a folder for each market.

    Files in a bucket are copied to a temporary directory. Raises :class:`NoPublishedFileError`, and
    :class:`ExportFailedError` in place of the errors of DuckDB.

    :param memory: the memory limit of DuckDB, in its notation.
    """
    with TemporaryDirectory(prefix="booktape-export-") as name:
        directory = Path(name)
        files, in_folders = _local_files(published, key, directory)
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "temp_directory": str(directory / "spilled"),
            "threads": 1,  # the order in which rows are written must not depend on the machine
        }
        try:
            with duckdb.connect(config=config) as connection:
                select = read_parquet(files, market_in_path=in_folders)
                connection.execute(f"CREATE VIEW {DAY_VIEW} AS SELECT * FROM {select}")
                yield ExportSource(connection, directory)
        except duckdb.OutOfMemoryException as error:
            raise ExportFailedError(f"DuckDB needs more than {memory}: allow more (BOOKTAPE_MERGE_MEMORY)") from error
        except duckdb.Error as error:
            raise ExportFailedError(f"{published.url}/{key}: {str(error).partition(chr(10))[0]}") from error


def _local_files(published: Store, key: str, directory: Path) -> tuple[list[Path], bool]:
    """The published files on this machine, and whether they are those of a folder."""
    in_folders = not published.exists(key)
    keys = sorted(item.key for item in published.objects(key)) if in_folders else [key]
    if not keys:
        raise NoPublishedFileError(
            f"{published.url} has no published Parquet at {key!r}; `booktape status` shows what is published"
        )
    if published.directory is not None:
        return [published.directory / one for one in keys], in_folders
    copies = []
    for one in keys:
        copy = directory / "published" / one
        copy.parent.mkdir(parents=True, exist_ok=True)
        with copy.open("wb") as file:
            for chunk in published.stream(one):
                file.write(chunk)
        copies.append(copy)
    return copies, in_folders
