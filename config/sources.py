"""Reads and checks the data sources of ``sources.yaml``."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from booktape.analytics.time_grid import InvalidIntervalError, microseconds
from booktape.exchanges import UnknownExchangeError
from booktape.model.csv import PUBLISHED
from booktape.publish.analytics_kinds import ANALYTICS_KINDS
from booktape.publish.sources import DataSource, UnknownSourceError, base_of
from config import files

DEFAULT_SOURCES: Final = Path(__file__).with_name("sources.yaml")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,49}")
"""Short enough for a revision's comment, and safe in keys and arguments of tasks."""


def load_sources(path: Path | None = None) -> dict[str, DataSource]:
    """All data sources by name. Raises :class:`~config.files.InvalidConfigurationError`."""
    path = path or DEFAULT_SOURCES
    sources = files.load_yaml(path, DataSource)
    for source in sources.values():
        fault = _fault(source) or _fault_of_kind(source, sources)
        if fault is not None:
            key, why = fault
            line = files.line_of(path, [source.name, key])
            raise files.InvalidConfigurationError(f"{path}, line {line}: {source.name}.{key}: {why}")
    return sources


def _fault(source: DataSource) -> tuple[str, str] | None:
    if not _NAME.fullmatch(source.name):
        return "name", "a source's name is 1 to 50 of a-z, 0-9 and -"
    if not 0 <= source.threshold <= 1:
        return "threshold", f"{source.threshold} is not a share between 0 and 1"
    if source.products and source.data_set is None:
        return "products", "products show the revisions of a data set: give data_set as well"
    try:
        _ = source.channel
    except UnknownExchangeError as error:
        return "exchange", str(error)
    except KeyError:
        return "data_type", f"{source.exchange} has no {source.data_type}; published types are {', '.join(PUBLISHED)}"
    return None


def _fault_of_kind(source: DataSource, sources: Mapping[str, DataSource]) -> tuple[str, str] | None:
    kind = source.kind
    if kind is None:
        given = next((key for key in ("of", "every") if getattr(source, key) is not None), None)
        return None if given is None else (given, f"only computed data has it: {', '.join(ANALYTICS_KINDS)}")
    if source.market_files:
        return "market_files", "files for each market are made of recorded data only"
    if kind.every == "none" and source.every is not None:
        return "every", f"{source.data_type} has a row for each change, and no interval"
    if kind.every == "needed" and source.every is None:
        return "data_type", f"{source.data_type} needs every, an interval in seconds"
    try:
        if source.every is not None:
            microseconds(source.every)
    except InvalidIntervalError as error:
        return "every", str(error)
    try:
        base_of(source, sources)
    except UnknownSourceError as error:
        return "data_type" if source.of is None else "of", str(error)
    return None
