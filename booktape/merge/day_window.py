"""A stretch of one market's day, merged by the same SQL as a whole day, from the objects around it."""

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

_VOID: Final = "SELECT TRY_CAST(id AS BIGINT) FROM {} WHERE NOT regexp_matches(amount, '[1-9]')"


@dataclass(frozen=True, slots=True)
class MergeWindow:
    """The objects that lie in a stretch of a market's day, and where the market's numbers began anew that day."""

    merge: Merge
    market: str
    objects: tuple[MergeInputs, ...]
    restarts: Resets

    @property
    def fingerprint(self) -> str:
        """Hex digits that stand for what is read: a key never changes what it holds."""
        told = [f"{one.system} {item.key}" for one in self.objects for item in one.objects]
        return sha256("\n".join([*told, *epochs.describe_resets(self.restarts)]).encode()).hexdigest()[:32]


def find_window(systems: Systems, merge: Merge, market: str, minutes: range) -> MergeWindow | None:
    """The objects of a market that a merge reads, of these minutes (µs) only; None where there are none."""

    def inside(key: str) -> bool:
        try:
            return parse_batch_key(key).minute in minutes
        except InvalidKeyError:  # the merge of the whole day names it
            return False

    whole = inputs.find_inputs(systems, merge, [market])
    found = tuple(replace(one, objects=[item for item in one.objects if inside(item.key)]) for one in whole)
    if not any(one.objects for one in found):
        return None
    return MergeWindow(merge, market, found, epochs.find_merge_resets(merge, whole))


def write_window(stretch: MergeWindow, target: Path, memory: str, threads: int) -> list[int]:
    """Merge a stretch into a Parquet file like a published one; the ids that were used up for nothing.

    Raises :class:`~booktape.merge.MergeFailedError`, for an object too that does not hold what its key says.
    """
    merge = stretch.merge
    sql = statement(merge, [stretch.market], stretch.restarts)
    with TemporaryDirectory(prefix=".stretch-", dir=target.parent) as name:
        directory = Path(name)
        merged, spilled = directory / "merged.parquet", str(directory / "spilled")
        views = duckdb_engine.views_of(merge, stretch.objects, directory)
        written = copy_to(duckdb_engine.translated(sql.parquet_query), merged, PUBLISHED_PARQUET_FORMAT)
        try:
            with duckdb.connect(
                config={"memory_limit": memory, "threads": threads, "temp_directory": spilled}
            ) as connection:
                for part in (*views, written):
                    connection.execute(part)
                void = _void(connection) if merge.data_type == TRADES else []
        except duckdb.OutOfMemoryException as error:
            raise MergeFailedError(
                f"DuckDB needs more than {memory} for {stretch.market} on {merge.day}: allow more"
            ) from error
        except duckdb.Error as error:
            raise MergeFailedError(f"DuckDB: {str(error).partition(chr(10))[0]}") from error
        merged.replace(target)
    return void


def _void(connection: duckdb.DuckDBPyConnection) -> list[int]:
    """The ids of trades of nothing, which are recorded but not published."""
    parts = (_VOID.format(table_name(TRADES, system)) for system in systems_of(TRADES))
    found = connection.execute(" UNION ".join(parts)).fetchall()
    return sorted(number for (number,) in found if number is not None)
