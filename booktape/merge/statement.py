"""The merge's SQL: one text per published data type, in Athena's dialect, with its parameters as quoted literals.

A text has three parts: the common table expressions that end with ``merged``, which has a row for each published
record; the SELECT that makes the CSV from it (after a line ``-- csv``); and the one that makes the Parquet file (after
``-- parquet``).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from string import Template
from typing import Final, NamedTuple

from booktape.merge.engine import Merge, MergeFailedError
from booktape.merge.sql_fragments import literal, literals
from booktape.model.csv import PUBLISHED
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DAY, QUOTES, TRADES
from booktape.model.resets import Resets
from booktape.model.timestamps import midnight

_PARTS: Final = re.compile(r"^-- (?:csv|parquet)\n", re.MULTILINE)
_NEVER: Final[Resets] = {}

_TIME: Final = "coalesce(timestamp, sent_timestamp, local_timestamp)"
_PLACES: Final = {TRADES: ("timestamp", None), QUOTES: (_TIME, "id"), BOOK_UPDATES: (_TIME, "last_id")}
"""What tells the era of a record: its time and its number, as :func:`booktape.model.resets.epoch` takes them."""


def stored_types(data_type: str) -> tuple[str, ...]:
    """The stored data types that a published one is merged from. Raises :class:`MergeFailedError` for any other."""
    if data_type not in PUBLISHED:
        raise MergeFailedError(f"{data_type!r} is not published; these are: {', '.join(PUBLISHED)}")
    return (BOOK_UPDATES, BOOK_SNAPSHOTS) if data_type == BOOK_UPDATES else (data_type,)


def days_read(day: date) -> tuple[date, date]:
    """The days whose partitions are read: a late record may lie in a batch that opened after midnight."""
    return day, day + timedelta(days=1)


class Statement(NamedTuple):
    """The parts of a merge's SQL. ``csv`` and ``parquet`` read nothing but ``merged``."""

    merged: str
    csv: str
    parquet: str

    @property
    def csv_query(self) -> str:
        """The whole query whose rows are the CSV's."""
        return self.merged + self.csv

    @property
    def parquet_query(self) -> str:
        """The whole query whose rows are the Parquet file's. Its last column is ``symbol``."""
        return self.merged + self.parquet


def statement(merge: Merge, pairs: Sequence[str], restarts: Resets = _NEVER) -> Statement:
    """The SQL for a merge of these markets, and of the places where their numbers began anew.

    It reads the tables ``{data_type}_{system}`` (:func:`~booktape.merge.tables.systems_of`). ``$partitions`` in the
    text becomes the condition on the partition columns, ``$day`` the partition of the day itself. Without restarts,
    ``$restarts`` and ``$by_era`` are nothing, and ``$records`` are those of ``stored`` as they are.
    """
    first = midnight(merge.day)
    text = _statement_text(merge.data_type).substitute(
        partitions=_partitions(merge, pairs),
        day=literal(f"{merge.day:%d}"),
        first_microsecond=first,
        last_microsecond=first + DAY - 1,
        **_eras(merge.data_type, {pair: restarts[pair] for pair in pairs if pair in restarts}),
    )
    merged, csv, parquet = _PARTS.split(text)
    return Statement(merged, csv, parquet)


@cache
def _statement_text(data_type: str) -> Template:
    return Template(files("booktape.merge").joinpath(f"sql/{PUBLISHED[data_type]}.sql").read_text())


def _eras(data_type: str, restarts: Resets) -> Mapping[str, str]:
    """What the text needs where numbers began anew: each market's first restart is joined, then each one's second."""
    if not restarts or data_type not in _PLACES:
        return {"restarts": "", "records": "stored", "by_era": ""}
    time, number = _PLACES[data_type]
    eras, joins = [], []
    for turn in range(max(map(len, restarts.values()))):
        name = f"restart_{turn + 1}"
        rows = ", ".join(
            f"({literal(pair)}, {told[turn].low}, {told[turn].high}, {told[turn].number})"
            for pair, told in restarts.items()
            if turn < len(told)
        )
        lower = f" OR ({time} >= {name}.low AND {number} < {name}.number)" if number is not None else ""
        eras.append(f"CASE WHEN {time} >= {name}.high{lower} THEN 1 ELSE 0 END")
        joins.append(f"LEFT JOIN (VALUES {rows}) AS {name} (market, low, high, number) ON {name}.market = stored.pair")
    sql = f"SELECT stored.*, {' + '.join(eras)} AS era FROM stored {' '.join(joins)}"
    return {"restarts": f"\nof_eras AS ({sql}),", "records": "of_eras", "by_era": "era, "}


def _partitions(merge: Merge, pairs: Sequence[str]) -> str:
    """Conditions that Athena can hold against each partition; the last keeps, say, the 1st and the 31st apart."""
    days = days_read(merge.day)
    conditions = [
        f"exchange = {literal(merge.exchange)}",
        f"pair IN ({literals(dict.fromkeys(pairs))})",
        f"year IN ({literals(dict.fromkeys(f'{day:%Y}' for day in days))})",
        f"month IN ({literals(dict.fromkeys(f'{day:%m}' for day in days))})",
        f"day IN ({literals(dict.fromkeys(f'{day:%d}' for day in days))})",
        f"concat(year, month, day) IN ({literals([f'{day:%Y%m%d}' for day in days])})",
    ]
    return " AND ".join(conditions)
