"""The step that publishes checkpoints beside a book's Parquet file, so that readers need not replay from a snapshot.

A checkpoint is a market's whole book after some message, at a position where the book is known to be correct. It only
speeds up reading.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
from msgspec import Raw, Struct, json

from booktape.archive import gaps
from booktape.archive.catalog import StreamKey
from booktape.archive.queries import RECORD_COLUMNS, record_maker, select_market, stream_rows
from booktape.exchanges import exchange
from booktape.integrity import parquet_reader
from booktape.integrity.certificate import MarketCertificate
from booktape.integrity.certificate_reader import parse_certificate
from booktape.merge.sql_fragments import PARQUET_FORMAT, copy_to, read_json_lines
from booktape.model.book_replay import BookReplayer
from booktape.model.gap import Gap, interleave
from booktape.model.records import BOOK_UPDATES, levels, record_time
from booktape.publish import manifest, results
from booktape.publish.context import Context
from booktape.publish.sources import DataSource
from booktape.store.layout import Run, checkpoints_key, hash_key, parquet_key

LEVELS: Final = 50_000
"""A checkpoint is made after so many levels of messages: a reader applies them in a fraction of a second."""

_MEMORY: Final = "500MB"
_COLUMNS: Final = {
    "position": "BIGINT",
    "timestamp": "BIGINT",
    "local_timestamp": "BIGINT",
    "last_id": "BIGINT",
    "bids": "VARCHAR[][]",
    "asks": "VARCHAR[][]",
    "symbol": "VARCHAR",
}
_SELECTED: Final = """
SELECT
    position, timestamp, local_timestamp, last_id,
    [{'price': level[1], 'amount': level[2]} for level in bids] AS bids,
    [{'price': level[1], 'amount': level[2]} for level in asks] AS asks,
    symbol
FROM """
_FORMAT: Final = f"{PARQUET_FORMAT}, ROW_GROUP_SIZE 2048"


class Checkpoint(Struct, frozen=True):
    """A market's book after the ``position``-th of its messages, with that message's times and last id."""

    position: int
    timestamp: int
    local_timestamp: int
    last_id: int | None
    bids: Raw
    asks: Raw
    symbol: str


def publish_checkpoints(context: Context, run: Run) -> results.Checkpoints:
    """Replay each market's book from the run's published Parquet, and publish its checkpoints."""
    source = context.source(run.source)
    certificate = manifest.require_result(context.store, run, results.Certify).key
    certified = parse_certificate(context.store.read(certificate)).markets
    key, parquet = checkpoints_key(run), parquet_key(run)
    keys = sorted(item.key for item in context.publication.objects(parquet)) or [parquet]
    with (
        TemporaryDirectory(prefix="booktape-checkpoints-") as name,
        parquet_reader.local(context.publication, keys) as paths,
    ):
        lines, made = Path(name) / "checkpoints.jsonl.gz", Path(name) / "checkpoints.parquet"
        with _connected(name) as connection, gzip.open(lines, "wb", compresslevel=1) as file:
            count = 0
            for market in sorted(certified):
                table = select_market(paths, market, in_folders=keys != [parquet])
                for checkpoint in _of_market(connection, table, source, market, certified[market]):
                    file.write(json.encode(checkpoint) + b"\n")
                    count += 1
        with _connected(name) as connection:
            connection.execute(copy_to(f"{_SELECTED}{read_json_lines([lines], _COLUMNS, gzip=True)}", made, _FORMAT))
        if not context.publication.exists(key):
            context.publication.upload(key, made)
        with parquet_reader.local(context.publication, [key]) as kept:
            context.publication.create(hash_key(key), parquet_reader.hashes(key, [key], kept))
        return results.Checkpoints(f"{context.publication.url}/{key}", count, made.stat().st_size)


def _connected(directory: str) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": directory})


def has_checkpoints(source: DataSource) -> bool:
    """Whether a source gets checkpoints: only books do."""
    return source.data_type == BOOK_UPDATES


def _of_market(
    connection: duckdb.DuckDBPyConnection, table: str, source: DataSource, market: str, certified: MarketCertificate
) -> Iterator[Checkpoint]:
    make, stream = record_maker(BOOK_UPDATES), StreamKey(source.exchange, market, BOOK_UPDATES)
    rows = stream_rows(connection, f"SELECT {RECORD_COLUMNS[BOOK_UPDATES]} FROM {table} ORDER BY position")
    missing = [] if gaps.is_numbered(stream) else gaps.certified_outages(certified, stream)
    rebuilt = BookReplayer(source.channel.rule, exchange(source.exchange).book_checksum, market)
    position = changed = 0
    for item in interleave(map(make, rows), missing, gaps.receipt_time):
        if isinstance(item, Gap):
            rebuilt.lose(item)
            continue
        position += 1
        is_sound = rebuilt.apply(item)
        changed += len(levels(item.bids)) + len(levels(item.asks))
        if is_sound and changed >= LEVELS:
            changed = 0
            sides = Raw(json.encode(rebuilt.book.bids.top())), Raw(json.encode(rebuilt.book.asks.top()))
            times = record_time(item), item.local_timestamp
            yield Checkpoint(position, *times, rebuilt.last_id, *sides, market)
