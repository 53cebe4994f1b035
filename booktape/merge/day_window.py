"""Merges a part of one market's day by the same SQL as a whole day, from the objects around it."""

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from booktape.merge import duckdb_engine, epochs, inputs
from booktape.merge.engine import Merge, MergeFailedError
from booktape.merge.inputs import MergeInputs, Systems
from booktape.merge.sql_fragments import PUBLISHED_PARQUET_FORMAT, copy_to
from booktape.merge.statement import statement
from booktape.merge.tables import systems_of, table_name
from booktape.model.records import TRADES
from booktape.model.resets import Resets
from booktape.store.layout import InvalidKeyError, parse_batch_key

_BURNED: Final = "SELECT TRY_CAST(id AS BIGINT) FROM {} WHERE NOT regexp_matches(amount, '[1-9]')"


@dataclass(frozen=True, slots=True)
class MergeWindow:
    """The objects of a part of a market's day, and the market's sequence resets within the day."""

    merge: Merge
    market: str
    objects: tuple[MergeInputs, ...]
    resets: Resets

    @property
    def fingerprint(self) -> str:
        """Hex digits that identify the objects: what a key holds never changes."""
        keys = [f"{one.system} {item.key}" for one in self.objects for item in one.objects]
        return sha256("\n".join([*keys, *epochs.describe_resets(self.resets)]).encode()).hexdigest()[:32]


def find_window(systems: Systems, merge: Merge, market: str, minutes: range) -> MergeWindow | None:
    """Find the objects of a market in some minutes (µs); None where there are none."""

    def inside(key: str) -> bool:
        try:
            return parse_batch_key(key).minute in minutes
        except InvalidKeyError:  # the merge of the whole day reports it
            return False

    whole = inputs.find_inputs(systems, merge, [market])
    found = tuple(replace(one, objects=[item for item in one.objects if inside(item.key)]) for one in whole)
    if not any(one.objects for one in found):
        return None
    return MergeWindow(merge, market, found, epochs.find_merge_resets(merge, whole))


def write_window(window: MergeWindow, target: Path, memory: str, threads: int) -> list[int]:
    """Merge a window into a Parquet file like a published one; return the burned ids of its trades.

    :param target: the file to write; the merge takes place beside it.
    :param memory: what DuckDB may hold at most, in its notation.
    :raises MergeFailedError: the merge fails, or an object does not hold what its key says.
    """
    merge = window.merge
    sql = statement(merge, [window.market], window.resets)
    with TemporaryDirectory(prefix=".window-", dir=target.parent) as name:
        directory = Path(name)
        merged, spilled = directory / "merged.parquet", str(directory / "spilled")
        views = duckdb_engine.views_of(merge, window.objects, directory)
        written = copy_to(duckdb_engine.translated(sql.parquet_query), merged, PUBLISHED_PARQUET_FORMAT)
        try:
            with duckdb.connect(
                config={"memory_limit": memory, "threads": threads, "temp_directory": spilled}
            ) as connection:
                for part in (*views, written):
                    connection.execute(part)
                burned = _burned_ids(connection) if merge.data_type == TRADES else []
        except duckdb.OutOfMemoryException as error:
            raise MergeFailedError(
                f"DuckDB needs more than {memory} for {window.market} on {merge.day}: allow more"
            ) from error
        except duckdb.Error as error:
            raise MergeFailedError(f"DuckDB: {str(error).partition(chr(10))[0]}") from error
        merged.replace(target)
    return burned


def _burned_ids(connection: duckdb.DuckDBPyConnection) -> list[int]:
    """The ids of trades of amount 0, which are recorded but not published."""
    parts = (_BURNED.format(table_name(TRADES, system)) for system in systems_of(TRADES))
    found = connection.execute(" UNION ".join(parts)).fetchall()
    return sorted(number for (number,) in found if number is not None)
