"""The tables that the merge's SQL reads: one per merged data type and system, with the records' fields as columns."""

from typing import Final

from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES

PRIMARY: Final = "primary"
REPLICA: Final = "replica"
REST: Final = "rest"
"""The system of trades fetched over the venue's REST API. It is in the primary's storage, below ``rest/``."""

SYSTEMS: Final = (PRIMARY, REPLICA, REST)
"""The systems in their order of preference."""

HEALED: Final = frozenset({TRADES})
"""The stored data types that can be backfilled: only these have a table of :data:`REST`."""


OBJECT: Final = "$path"
"""Athena's hidden column that every table has: the object that a row was read from."""

_LEVELS: Final = "array<array<string>>"

COLUMNS: Final = {
    TRADES: {
        "id": "string",  # numbers at most venues, but not at all
        "timestamp": "bigint",
        "side": "string",
        "price": "string",
        "amount": "string",
        "local_timestamp": "bigint",
        "sequence": "bigint",
    },
    BOOK_UPDATES: {
        "first_id": "bigint",
        "last_id": "bigint",
        "previous_id": "bigint",
        "timestamp": "bigint",
        "bids": _LEVELS,
        "asks": _LEVELS,
        "checksum": "bigint",
        "local_timestamp": "bigint",
        "sent_timestamp": "bigint",
    },
    BOOK_SNAPSHOTS: {
        "last_id": "bigint",
        "timestamp": "bigint",
        "bids": _LEVELS,
        "asks": _LEVELS,
        "checksum": "bigint",
        "origin": "string",
        "local_timestamp": "bigint",
        "sent_timestamp": "bigint",
    },
    QUOTES: {
        "id": "bigint",
        "timestamp": "bigint",
        "bid_price": "string",
        "bid_amount": "string",
        "ask_price": "string",
        "ask_amount": "string",
        "local_timestamp": "bigint",
        "sent_timestamp": "bigint",
    },
    DERIVATIVE_TICKER: {
        "timestamp": "bigint",
        "funding_timestamp": "bigint",
        "funding_rate": "string",
        "predicted_funding_rate": "string",
        "open_interest": "string",
        "last_price": "string",
        "index_price": "string",
        "mark_price": "string",
        "local_timestamp": "bigint",
        "sent_timestamp": "bigint",
    },
    LIQUIDATIONS: {
        "id": "string",
        "timestamp": "bigint",
        "side": "string",
        "price": "string",
        "amount": "string",
        "local_timestamp": "bigint",
        "sent_timestamp": "bigint",
    },
}
"""Column names and types (Athena's) of each data type that is merged: the fields of :mod:`booktape.model.records`."""


def systems_of(data_type: str) -> tuple[str, ...]:
    """Return the systems that a stored data type is merged from."""
    return SYSTEMS if data_type in HEALED else (PRIMARY, REPLICA)


def table_name(data_type: str, system: str) -> str:
    """Return the name of a table, such as ``trades_primary``."""
    return f"{data_type}_{system}"
