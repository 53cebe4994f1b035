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
_NO_RESETS: Final[Resets] = {}

_TIME: Final = "coalesce(timestamp, sent_timestamp, local_timestamp)"
_PLACES: Final = {TRADES: ("timestamp", None), QUOTES: (_TIME, "id"), BOOK_UPDATES: (_TIME, "last_id")}
"""SQL for the time and the id that determine a record's epoch, as :func:`booktape.model.resets.epoch` takes them."""


def stored_types(data_type: str) -> tuple[str, ...]:
    """Return the stored data types that a published one is merged from.

    :raises MergeFailedError: the data type is not published.
    """
    if data_type not in PUBLISHED:
        raise MergeFailedError(f"{data_type!r} is not published; these are: {', '.join(PUBLISHED)}")
    return (BOOK_UPDATES, BOOK_SNAPSHOTS) if data_type == BOOK_UPDATES else (data_type,)


def days_read(day: date) -> tuple[date, date]:
    """Return the days whose partitions are read: a late record may be in a batch that opened after midnight."""
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


def statement(merge: Merge, pairs: Sequence[str], resets: Resets = _NO_RESETS) -> Statement:
    """Build the SQL of a merge.

    It reads the tables ``{data_type}_{system}`` (:func:`~booktape.merge.tables.systems_of`). In the text,
    ``$partitions`` stands for the condition on the partition columns and ``$day`` for the partition of the day itself.
    Without resets, ``$resets`` and ``$by_epoch`` are empty, and ``$records`` is ``stored``.

    :param pairs: the markets.
    :param resets: the sequence resets of these markets within the day.
    """
    first = midnight(merge.day)
    text = _statement_text(merge.data_type).substitute(
        partitions=_partitions(merge, pairs),
        day=literal(f"{merge.day:%d}"),
        first_microsecond=first,
        last_microsecond=first + DAY - 1,
        **_epochs(merge.data_type, {pair: resets[pair] for pair in pairs if pair in resets}),
    )
    merged, csv, parquet = _PARTS.split(text)
    return Statement(merged, csv, parquet)


@cache
def _statement_text(data_type: str) -> Template:
    return Template(files("booktape.merge").joinpath(f"sql/{PUBLISHED[data_type]}.sql").read_text())


def _epochs(data_type: str, resets: Resets) -> Mapping[str, str]:
    """What the text needs where there are resets: each market's first one is joined, then each one's second."""
    if not resets or data_type not in _PLACES:
        return {"resets": "", "records": "stored", "by_epoch": ""}
    time, number = _PLACES[data_type]
    passed, joins = [], []
    for turn in range(max(map(len, resets.values()))):
        name = f"reset_{turn + 1}"
        rows = ", ".join(
            f"({literal(pair)}, {some[turn].low}, {some[turn].high}, {some[turn].number})"
            for pair, some in resets.items()
            if turn < len(some)
        )
        lower = f" OR ({time} >= {name}.low AND {number} < {name}.number)" if number is not None else ""
        passed.append(f"CASE WHEN {time} >= {name}.high{lower} THEN 1 ELSE 0 END")
        joins.append(f"LEFT JOIN (VALUES {rows}) AS {name} (market, low, high, number) ON {name}.market = stored.pair")
    sql = f"SELECT stored.*, {' + '.join(passed)} AS sequence_epoch FROM stored {' '.join(joins)}"
    return {"resets": f"\nof_epochs AS ({sql}),", "records": "of_epochs", "by_epoch": "sequence_epoch, "}


def _partitions(merge: Merge, pairs: Sequence[str]) -> str:
    """Conditions by which Athena chooses partitions. The last one excludes pairs such as the 1st and the 31st."""
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
