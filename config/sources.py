"""The data sources of ``sources.yaml``."""

import re
from pathlib import Path
from typing import Final

from booktape.core.csv import PUBLISHED
from booktape.exchanges import UnknownExchange
from booktape.publish.sources import Source
from config import files

DEFAULT: Final = Path(__file__).with_name("sources.yaml")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,49}")
"""Short enough for a revision's comment, and plain enough for a key and a task's argument."""


def load_sources(path: Path | None = None) -> dict[str, Source]:
    """Every data source by name. Raises :class:`~config.files.BadConfiguration`."""
    path = path or DEFAULT
    sources = files.load(path, Source)
    for source in sources.values():
        fault = _fault(source)
        if fault is not None:
            key, why = fault
            line = files.line_of(path, [source.name, key])
            raise files.BadConfiguration(f"{path}, line {line}: {source.name}.{key}: {why}")
    return sources


def _fault(source: Source) -> tuple[str, str] | None:
    if not _NAME.fullmatch(source.name):
        return "name", "a source's name is 1 to 50 of a-z, 0-9 and -"
    if not 0 <= source.threshold <= 1:
        return "threshold", f"{source.threshold} is not a share between 0 and 1"
    if source.products and source.data_set is None:
        return "products", "products show the revisions of a data set: give data_set as well"
    try:
        _ = source.channel
    except UnknownExchange as error:
        return "exchange", str(error)
    except KeyError:
        return "data_type", f"{source.exchange} has no {source.data_type}; published types are {', '.join(PUBLISHED)}"
    return None
