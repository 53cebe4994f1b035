"""Finds the objects that a merge reads by listing, and checks them against their keys."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path
from typing import Final

from booktape.merge.engine import Merge, MergeFailedError, NothingToMergeError
from booktape.merge.statement import days_read, stored_types
from booktape.merge.tables import PRIMARY, REPLICA, systems_of
from booktape.model import codec
from booktape.model.codec import CorruptObjectError
from booktape.store.layout import InvalidKeyError, day_prefix, exchange_prefix, parse_batch_key, partition_values
from booktape.store.objects import Store, StoredObject

_AT_ONCE: Final = 32

Systems = Mapping[str, Store | None]
"""The store of each system by its name (:data:`~booktape.merge.tables.SYSTEMS`); one may be None or left out."""


@dataclass(frozen=True, slots=True)
class MergeInputs:
    """The objects of one stored data type of one system."""

    data_type: str
    system: str
    store: Store
    objects: list[StoredObject]


def require_markets(systems: Systems, merge: Merge) -> list[str]:
    """Return the markets of the merge's exchange that any system has stored, whatever the day.

    :raises NothingToMergeError: there is no object at all in the day's own partitions.
    """
    places = list(_places(systems, merge))
    pairs = sorted({pair for data_type, _, store in places for pair in _markets(store, data_type, merge)})
    prefixes = [
        (store, day_prefix(kind, merge.exchange, pair, merge.day)) for pair in pairs for kind, _, store in places
    ]
    if not any(True for store, prefix in prefixes for _ in store.objects(prefix)):
        raise no_inputs(systems, merge)
    return pairs


def _places(systems: Systems, merge: Merge) -> Iterator[tuple[str, str, Store]]:
    """Yield each stored data type, system and store that the merge reads."""
    for data_type in stored_types(merge.data_type):
        for system in systems_of(data_type):
            store = systems.get(system)
            if store is not None:
                yield data_type, system, store


def _markets(store: Store, data_type: str, merge: Merge) -> list[str]:
    return partition_values(store.folders(exchange_prefix(data_type, merge.exchange)), "pair")


def no_inputs(systems: Systems, merge: Merge) -> NothingToMergeError:
    """Return the error that says that nothing is stored, and where that was looked for."""
    recorded = (systems.get(system) for system in (PRIMARY, REPLICA))
    urls = " and ".join(store.url for store in recorded if store is not None)
    what = f"{merge.data_type} of {merge.exchange} on {merge.day}"
    return NothingToMergeError(f"there are no {what} in {urls}: was it recorded?")


def find_inputs(systems: Systems, merge: Merge, pairs: list[str]) -> list[MergeInputs]:
    """Find every object that the merge reads, by data type and system."""
    return [
        MergeInputs(data_type, system, store, _objects(store, data_type, merge, pairs))
        for data_type, system, store in _places(systems, merge)
    ]


def _objects(store: Store, data_type: str, merge: Merge, pairs: list[str]) -> list[StoredObject]:
    def listed(place: tuple[str, date]) -> list[StoredObject]:
        pair, day = place
        return [found for found in store.objects(day_prefix(data_type, merge.exchange, pair, day)) if _is_data(found)]

    # A system with few markets costs little: only those that it has are listed.
    here = sorted(set(pairs).intersection(_markets(store, data_type, merge)))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        pages = list(pool.map(listed, product(here, days_read(merge.day))))
    return sorted((found for page in pages for found in page), key=lambda found: found.key)


def _is_data(found: StoredObject) -> bool:
    """Athena does not read hidden files either."""
    return not found.key.rpartition("/")[2].startswith((".", "_"))


def local_files(inputs: MergeInputs, directory: Path) -> list[Path]:
    """Return the objects as local files; those of a bucket are copied below ``directory``, many at once.

    Every object is checked against its key, because DuckDB accepts a wrong gzip checksum silently.

    :raises MergeFailedError: an object does not hold what its key says.
    """

    def checked(found: StoredObject) -> Path:
        content = inputs.store.read(found.key)
        _check(inputs.store, found.key, content)
        if inputs.store.directory is not None:
            return inputs.store.directory / found.key
        path = directory / inputs.system / found.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(checked, inputs.objects))


def _check(store: Store, key: str, content: bytes) -> None:
    """Raise :class:`MergeFailedError` unless the object holds what its key says."""
    fault = None
    try:
        promised = parse_batch_key(key).digest
        held = codec.digest(codec.decompress(content))
        if held != promised:
            fault = f"its content has the digest {held}"
    except (InvalidKeyError, CorruptObjectError) as error:
        fault = str(error)
    if fault is not None:
        raise MergeFailedError(f"{store.url}/{key} cannot be merged: {fault}; restore it, or move it away")
