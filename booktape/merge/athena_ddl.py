"""The tables in Athena: DDL with partition projection, so that no crawler and no ``MSCK REPAIR`` is needed.

Sources: Amazon Athena User Guide, "Partition projection with Amazon Athena" and "OpenX JSON SerDe".
"""

from collections.abc import Iterator, Sequence
from typing import Final

from booktape.merge.sql_fragments import literal
from booktape.merge.tables import COLUMNS, PRIMARY, REPLICA, REST, systems_of, table_name
from booktape.store.layout import PARTITIONS, backfill_url, data_type_prefix, partition_folder

_FIRST_YEAR: Final = 2009
_LAST_YEAR: Final = 2099


def statements(database: str, primary: str, replica: str | None, exchanges: Sequence[str]) -> Iterator[str]:
    """Yield the statements that create the database and the tables of all systems, whether they exist already or not.

    Dropping an external table only removes its definition, and a projected one has no partitions to lose. So the tables
    are created anew each time, and include exchanges that were added since.

    :param primary: the ``s3://…`` URL of the primary's storage; what was backfilled is below ``rest/``.
    :param replica: the URL of the replica's storage. Without one, its tables are over an empty place, since the SQL
        names them.
    :param exchanges: the ids that the partition column ``exchange`` can have.
    """
    yield f"CREATE DATABASE IF NOT EXISTS `{database}`"
    first = primary.rstrip("/")
    roots = {PRIMARY: first, REPLICA: (replica or f"{first}/no-replica").rstrip("/"), REST: backfill_url(first)}
    for data_type in COLUMNS:
        for system in systems_of(data_type):
            name = f"`{database}`.`{table_name(data_type, system)}`"
            yield f"DROP TABLE IF EXISTS {name}"
            yield _create(name, data_type, f"{roots[system]}/{data_type_prefix(data_type)}", exchanges)


def _create(name: str, data_type: str, location: str, exchanges: Sequence[str]) -> str:
    columns = ",\n  ".join(f"`{column}` {kind}" for column, kind in COLUMNS[data_type].items())
    partitions = ", ".join(f"`{column}` string" for column in PARTITIONS)
    template = location + "".join(partition_folder(column, f"${{{column}}}") for column in PARTITIONS)
    properties = ",\n  ".join(
        f"{literal(key)} = {literal(value)}" for key, value in _projection(template, exchanges).items()
    )
    return (
        f"CREATE EXTERNAL TABLE {name} (\n  {columns}\n)\n"
        f"PARTITIONED BY ({partitions})\n"
        "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'\n"
        "WITH SERDEPROPERTIES ('ignore.malformed.json' = 'false')\n"  # a torn line is an error, not a row of NULLs
        f"LOCATION {literal(location)}\n"
        f"TBLPROPERTIES (\n  {properties}\n)"
    )


def _projection(template: str, exchanges: Sequence[str]) -> dict[str, str]:
    return {
        "projection.enabled": "true",
        "projection.exchange.type": "enum",
        "projection.exchange.values": ",".join(exchanges),
        "projection.pair.type": "injected",  # thousands of markets: every query lists its own
        **_integers("year", _FIRST_YEAR, _LAST_YEAR, digits=4),
        **_integers("month", 1, 12, digits=2),
        **_integers("day", 1, 31, digits=2),
        "storage.location.template": template,
    }


def _integers(column: str, first: int, last: int, *, digits: int) -> dict[str, str]:
    return {
        f"projection.{column}.type": "integer",
        f"projection.{column}.range": f"{first},{last}",
        f"projection.{column}.digits": str(digits),
    }
