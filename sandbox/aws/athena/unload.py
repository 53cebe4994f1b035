"""UNLOAD: a query's rows as Parquet files in S3 (Athena User Guide, "UNLOAD")."""

import re
import shutil
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sandbox.aws import objects
from sandbox.aws.athena.store import Query, QueryFailedError, Unload

MAX_PARTITIONS = 100

_UNLOAD = re.compile(
    r"\s*UNLOAD\s*\((?P<query>.*)\)\s*TO\s*'(?P<target>[^']+)'\s*(?:WITH\s*\((?P<properties>[^()]*)\))?\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
_PROPERTY = re.compile(
    r"\s*(?P<name>\w+)\s*=\s*(?:'(?P<text>[^']*)'|(?P<number>\d+)|ARRAY\s*\[(?P<array>[^]]*)\])\s*(?:,|$)"
)
_PROPERTIES = {"format", "compression", "compression_level", "partitioned_by"}
_COMPRESSIONS = {"PARQUET": {"GZIP", "SNAPPY", "ZSTD"}}


def is_unload(sql: str) -> bool:
    """Say whether a statement is an UNLOAD, well formed or not."""
    return re.match(r"\s*UNLOAD\b", sql, re.IGNORECASE) is not None


def parse_unload(sql: str) -> Unload:
    """Take an UNLOAD apart. Raises ValueError."""
    match = _UNLOAD.fullmatch(sql)
    if match is None:
        raise ValueError("line 1:1: mismatched input: expecting UNLOAD (query) TO 'location' WITH (...)")
    try:
        query = sqlglot.parse_one(match["query"], read="athena")
    except SqlglotError as error:
        raise ValueError(f"line 1:1: {error}") from error
    if not isinstance(query, exp.Query):
        raise ValueError("UNLOAD encloses a SELECT only")
    texts, arrays = _properties(match["properties"] or "")
    return Unload(query, match["target"].rstrip("/") + "/", texts, arrays.get("partitioned_by", ()))


def _properties(text: str) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """The properties that are a text or a number, and those that are an array of texts."""
    texts: dict[str, str] = {}
    arrays: dict[str, tuple[str, ...]] = {}
    place = 0
    while text[place:].strip():
        found = _PROPERTY.match(text, place)
        if found is None or found["name"].lower() not in _PROPERTIES:
            raise ValueError(f"UNLOAD does not understand: {text[place:].strip()}")
        name, place = found["name"].lower(), found.end()
        if found["array"] is not None:
            arrays[name] = tuple(re.findall(r"'([^']*)'", found["array"]))
        else:
            texts[name] = found["text"] or found["number"] or ""
    return texts, arrays


def check(unload: Unload) -> None:
    """Refuse what Athena refuses before it runs anything, and what the sandbox does not write. Raises QueryFailed."""
    kind = unload.properties.get("format", "").upper()
    if kind not in _COMPRESSIONS:
        raise QueryFailedError(f"INVALID_TABLE_PROPERTY: the sandbox unloads PARQUET only, not {kind or 'nothing'}")
    if unload.properties.get("compression", "GZIP").upper() not in _COMPRESSIONS[kind]:
        raise QueryFailedError(f"INVALID_TABLE_PROPERTY: {kind} has no compression {unload.properties['compression']}")
    if not unload.partitioned_by and any(True for _ in objects.list_objects(*objects.split_url(unload.target))):
        raise QueryFailedError(f"HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists: {unload.target}")


def write(connection: duckdb.DuckDBPyConnection, query: Query, unload: Unload, directory: Path) -> None:
    """Write the table ``result`` to S3, and the manifest of the files beside the query's results.

    Rows stand in each file in the query's order; as in Athena, a partition is more than one file where it is not small.
    """
    columns = [name for name, *_ in connection.execute("DESCRIBE result").fetchall()]
    partitions = list(unload.partitioned_by)
    if partitions and columns[-len(partitions) :] != partitions:
        raise QueryFailedError("HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last columns in the table")
    values = _partition_values(connection, partitions)
    if len(values) > MAX_PARTITIONS:
        raise QueryFailedError(
            f"HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of {MAX_PARTITIONS} open writers for partitions/buckets"
        )
    written = directory / f"{query.id}-unload"
    written.mkdir()
    urls: list[str] = []
    for value in values:
        folder = "".join(f"{name}={text}/" for name, text in zip(partitions, value, strict=True))
        for number, path in enumerate(_write_files(connection, columns, unload, value, written)):
            url = f"{unload.target}{folder}{query.id[::-1]}_{number}_{query.id}"
            objects.write(*objects.split_url(url), path.read_bytes())
            path.unlink()
            urls.append(url)
    shutil.rmtree(written)
    objects.write(*objects.split_url(query.manifest), "".join(f"{url}\n" for url in urls).encode())


def _partition_values(connection: duckdb.DuckDBPyConnection, partitions: list[str]) -> list[tuple[str, ...]]:
    if not partitions:
        return [()]
    names = ", ".join(f'"{name}"' for name in partitions)
    return connection.execute(f"SELECT DISTINCT {names} FROM result ORDER BY ALL").fetchall()


def _write_files(
    connection: duckdb.DuckDBPyConnection, columns: list[str], unload: Unload, value: tuple[str, ...], directory: Path
) -> list[Path]:
    """One partition's rows, dealt out to two files as Athena's writers share them; an empty one is not written."""
    kept = ", ".join(f'"{name}"' for name in columns if name not in unload.partitioned_by)
    wanted = " AND ".join(f'"{name}" = ?' for name in unload.partitioned_by) or "true"
    compression = unload.properties.get("compression", "GZIP").lower()
    paths = []
    for number in range(2):
        path = directory / str(number)
        sql = f"SELECT {kept} FROM result WHERE {wanted} AND rowid // 10 % 2 = {number} ORDER BY rowid"
        count = connection.execute(
            f"COPY ({sql}) TO '{path}' (FORMAT parquet, COMPRESSION {compression})", list(value)
        ).fetchall()[0][0]
        if count:
            paths.append(path)
    return paths
