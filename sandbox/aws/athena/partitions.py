"""Which objects of a table belong to which partition, and which partitions a projected table knows.

Athena User Guide, "Partition projection with Amazon Athena" and "Supported types for partition projection".
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from sandbox.aws.athena.store import QueryFailedError, Table
from sandbox.aws.objects import ObjectInfo

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_NOW = re.compile(r"NOW(?:\s*([+-])\s*(\d+)\s*(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND)S?)?", re.IGNORECASE)
_JAVA_DATE_PARTS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "'": ""}


@dataclass(frozen=True)
class Layout:
    """Where a table's objects lie: a pattern of their URLs with one group for each partition column."""

    fixed_prefix: str
    pattern: re.Pattern[str]
    columns: tuple[str, ...]

    @classmethod
    def of(cls, table: Table) -> "Layout":
        """The layout of ``storage.location.template``, or else of Hive: ``column=value`` folders in order."""
        columns = tuple(column.name for column in table.partitions)
        template = table.location + "".join(f"{name}=${{{name}}}/" for name in columns)
        if table.is_projected:
            template = table.properties.get("storage.location.template", template).rstrip("/") + "/"
        parts = _PLACEHOLDER.split(template)
        literals, names = parts[::2], parts[1::2]
        pattern = re.escape(literals[0])
        for index, (name, literal) in enumerate(zip(names, literals[1:], strict=True)):
            # A column may stand twice in a template: the second time it must be the same.
            first = name not in names[:index]
            # A date's format may spread it over several folders: yyyy/MM/dd.
            folders = table.properties.get(f"projection.{name}.format", "").count("/")
            group = f"(?P<{name}>[^/]+(?:/[^/]+){{{folders}}})" if first else f"(?P={name})"
            pattern += group + re.escape(literal)
        return cls(literals[0], re.compile(pattern), columns)

    def values(self, item: ObjectInfo) -> tuple[str, ...] | None:
        """Return the partition values in an object's URL, or None if the object lies outside the layout."""
        match = self.pattern.match(f"s3://{item.bucket}/{item.key}")
        groups = match.groupdict() if match else {}
        if match is None or any(name not in groups for name in self.columns):
            return None
        return tuple(unquote(groups[name]) for name in self.columns)


def is_injected(table: Table, column: str) -> bool:
    """Say whether a query must name this column's values itself."""
    return table.is_projected and _property(table, column, "type").lower() == "injected"


def is_projected_value(table: Table, column: str, text: str, now: datetime) -> bool:
    """Say whether projection yields this value of a partition column.

    What it does not yield does not exist for a query, whatever lies in S3: a month ``01`` is not seen by an integer
    projection without ``digits``, nor is a day out of range. Raises QueryFailed for a wrong table property.
    """
    kind = _property(table, column, "type").lower()
    if kind == "injected":
        return True
    if kind == "enum":
        return text in _property(table, column, "values").split(",")
    if kind == "integer":
        return _is_projected_integer(table, column, text)
    if kind == "date":
        return _is_projected_date(table, column, text, now)
    raise _invalid(table, column, f"type {kind!r}")


def _is_projected_integer(table: Table, column: str, text: str) -> bool:
    low, high = _range(table, column)
    digits = int(_property(table, column, "digits", "0"))
    interval = int(_property(table, column, "interval", "1"))
    if not re.fullmatch(r"-?\d+", text):
        return False
    value = int(text)
    return int(low) <= value <= int(high) and (value - int(low)) % interval == 0 and f"{value:0{digits}d}" == text


def _is_projected_date(table: Table, column: str, text: str, now: datetime) -> bool:
    form = _property(table, column, "format")
    for java, python in _JAVA_DATE_PARTS.items():
        form = form.replace(java, python)
    low, high = (_moment(table, column, bound, form, now) for bound in _range(table, column))
    try:
        value = datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return False
    return low <= value <= high and value.strftime(form) == text


def _moment(table: Table, column: str, bound: str, form: str, now: datetime) -> datetime:
    relative = _NOW.fullmatch(bound)
    if relative is None:
        try:
            return datetime.strptime(bound, form).replace(tzinfo=UTC)
        except ValueError as error:
            raise _invalid(table, column, f"range bound {bound!r}") from error
    sign, count, unit = relative.groups()
    if unit is None:
        return now
    offset = int(f"{sign}{count}")
    if unit.upper() in {"YEAR", "MONTH"}:
        return _add_months(now, offset * (12 if unit.upper() == "YEAR" else 1))
    return now + timedelta(**{f"{unit.lower()}s": offset})


def _add_months(moment: datetime, months: int) -> datetime:
    """Add months; a day that the month lacks becomes the 28th, which every month has."""
    years, month = divmod(moment.month - 1 + months, 12)
    return moment.replace(year=moment.year + years, month=month + 1, day=min(moment.day, 28))


def _range(table: Table, column: str) -> tuple[str, str]:
    low, separator, high = _property(table, column, "range").partition(",")
    if not separator:
        raise _invalid(table, column, "range")
    return low.strip(), high.strip()


def _property(table: Table, column: str, name: str, default: str | None = None) -> str:
    text = table.properties.get(f"projection.{column}.{name}", default)
    if text is None:
        raise _invalid(table, column, f"no projection.{column}.{name}")
    return text if name in {"values", "range"} else text.strip()


def _invalid(table: Table, column: str, what: str) -> QueryFailedError:
    return QueryFailedError(
        f"INVALID_TABLE_PROPERTY: Table {table.database}.{table.name} is configured for partition projection, but its "
        f"partition column {column} is not: {what}"
    )
