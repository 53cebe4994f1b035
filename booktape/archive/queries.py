"""SQL over published Parquet files, and records made of its rows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
from msgspec import Raw

from booktape.archive.errors import ReadFailedError
from booktape.merge.sql_fragments import literal, read_parquet
from booktape.model.csv import PublishedRecord
from booktape.model.records import (
    BOOK_UPDATES,
    DERIVATIVE_TICKER,
    LIQUIDATIONS,
    QUOTES,
    TRADES,
    BookSnapshot,
    BookUpdate,
    DerivativeTicker,
    Liquidation,
    Quote,
    Trade,
)

_ROWS_AT_A_TIME: Final = 4096

_CLOSED_ERRORS: Final = ("Connection already closed", "No open result set")
"""The errors of DuckDB for a connection that was closed during a query."""

_LEVELS: Final = "to_json([[level.price, level.amount] for level in {side}])::VARCHAR"
_BOOK: Final = (
    "is_snapshot, first_id, last_id, previous_id, timestamp, {bids}, {asks}, checksum, origin, local_timestamp, "
    "sent_timestamp"
)
BOOK_COLUMNS_WITHOUT_LEVELS: Final = _BOOK.format(bids="'[]'", asks="'[]'")
"""As the columns of a book message in :data:`RECORD_COLUMNS`, but with empty levels."""

RECORD_COLUMNS: Final = {
    TRADES: "id, timestamp, side, price, amount, local_timestamp, sequence",
    BOOK_UPDATES: _BOOK.format(bids=_LEVELS.format(side="bids"), asks=_LEVELS.format(side="asks")),
    QUOTES: "id, timestamp, bid_price, bid_amount, ask_price, ask_amount, local_timestamp, sent_timestamp",
    DERIVATIVE_TICKER: (
        "timestamp, funding_timestamp, funding_rate, predicted_funding_rate, open_interest, last_price, index_price, "
        "mark_price, local_timestamp, sent_timestamp"
    ),
    LIQUIDATIONS: "id, timestamp, side, price, amount, local_timestamp, sent_timestamp",
}
"""The columns that :func:`record_maker` takes, by data type."""


def record_maker(data_type: str) -> Callable[[tuple[Any, ...]], Any]:
    """The function that makes a record of a row with the columns of :data:`RECORD_COLUMNS`."""
    return _MAKERS[data_type]


def select_market(files: Sequence[Path], market: str, *, in_folders: bool = False) -> str:
    """Build the subquery of one market's rows. The rows of a single file come in their order.

    :param in_folders: the market is in the folders' names (``symbol=BTC-USDT``), not in the files.
    """
    return f"(SELECT * FROM {read_parquet(files, market_in_path=in_folders)} WHERE symbol = {literal(market)})"


def stream_rows(cursor: duckdb.DuckDBPyConnection, sql: str) -> Iterator[tuple[Any, ...]]:
    """Run a query and read its rows, a few thousand in memory at a time."""
    with duckdb_errors():
        cursor.execute(sql)
    while True:
        with duckdb_errors():
            rows = cursor.fetchmany(_ROWS_AT_A_TIME)
        if not rows:
            return
        yield from rows


@contextmanager
def duckdb_errors() -> Iterator[None]:
    """Raise :class:`ReadFailedError` in place of the errors of DuckDB."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ReadFailedError(
            f"DuckDB needs more memory, or more room to spill: {_first_line(error)}; "
            'allow more (memory="4GB"), or ask for less'
        ) from error
    except duckdb.Error as error:
        if any(text in str(error) for text in _CLOSED_ERRORS):
            raise ReadFailedError("the archive was closed while it was read; open another one") from error
        raise ReadFailedError(f"DuckDB: {_first_line(error)}; ask for less, or restore what it names") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _id(text: str | None) -> int | str | None:
    """An id as it was stored: an integer where the text is one."""
    if text is not None and text.isascii() and text.isdecimal() and (text[0] != "0" or text == "0"):
        return int(text)
    return text


def _trade(row: tuple[Any, ...]) -> Trade:
    return Trade(_id(row[0]), *row[1:])  # type: ignore[arg-type]  # a trade always has an id


def _message(row: tuple[Any, ...]) -> BookUpdate | BookSnapshot:
    is_snapshot, first_id, last_id, previous_id, time, bids, asks, checksum, origin, received, sent = row
    if is_snapshot:
        return BookSnapshot(
            last_id=last_id,
            timestamp=time,
            bids=Raw(bids.encode()),
            asks=Raw(asks.encode()),
            checksum=checksum,
            origin=origin,
            local_timestamp=received,
            sent_timestamp=sent,
        )
    return BookUpdate(
        first_id=first_id,
        last_id=last_id,
        previous_id=previous_id,
        timestamp=time,
        bids=Raw(bids.encode()),
        asks=Raw(asks.encode()),
        checksum=checksum,
        local_timestamp=received,
        sent_timestamp=sent,
    )


def _ticker(row: tuple[Any, ...]) -> DerivativeTicker:
    names = DerivativeTicker.__struct_fields__
    return DerivativeTicker(**dict(zip(names, row, strict=True)))


def _liquidation(row: tuple[Any, ...]) -> Liquidation:
    names = Liquidation.__struct_fields__
    return Liquidation(**dict(zip(names, (_id(row[0]), *row[1:]), strict=True)))


_MAKERS: Final[dict[str, Callable[[tuple[Any, ...]], PublishedRecord]]] = {
    TRADES: _trade,
    BOOK_UPDATES: _message,
    QUOTES: lambda row: Quote(*row),
    DERIVATIVE_TICKER: _ticker,
    LIQUIDATIONS: _liquidation,
}


_FLOATS: Final = {
    TRADES: ("price", "amount"),
    BOOK_UPDATES: (),
    QUOTES: ("bid_price", "bid_amount", "ask_price", "ask_amount"),
    DERIVATIVE_TICKER: (
        "funding_rate", "predicted_funding_rate", "open_interest", "last_price", "index_price", "mark_price",
    ),
    LIQUIDATIONS: ("price", "amount"),
}  # fmt: skip
_FLOAT_LEVELS: Final = "[{{'price': level.price::DOUBLE, 'amount': level.amount::DOUBLE}} for level in {side}]"


def table_columns(data_type: str, *, exact: bool) -> str:
    """The columns of a table: those of the Parquet file.

    :param exact: keep prices and amounts as text rather than as floats.
    """
    if exact:
        return "* EXCLUDE (part, position)"
    floats = [f"{name}::DOUBLE AS {name}" for name in _FLOATS[data_type]]
    if data_type == BOOK_UPDATES:
        floats = [f"{_FLOAT_LEVELS.format(side=side)} AS {side}" for side in ("bids", "asks")]
    return f"* EXCLUDE (part, position) REPLACE ({', '.join(floats)})"
