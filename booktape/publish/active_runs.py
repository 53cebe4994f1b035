"""Marks of runs that may be under way: by listing these few, abandoned ones are found, however old their days are.

``unfinished/{source}/{YYYY-MM-DD}/{run:04d}`` is an empty object, written before a run starts and taken away some time
after it ended.
"""

from datetime import date
from typing import Final

import structlog

from booktape.publish.sources import Run
from booktape.store.objects import StorageDeniedError, Store

_UNFINISHED: Final = "unfinished/"

log = structlog.get_logger(__name__)


def mark_active(store: Store, run: Run) -> None:
    """Say that a run may be under way."""
    store.create(_key(run), b"")


def mark_ended(store: Store, run: Run) -> None:
    """Take a run's mark away. Where that is not allowed, the mark stays: it costs a look now and then, no more."""
    try:
        store.delete(_key(run))
    except StorageDeniedError as error:
        log.warning("the mark of a run that ended stays", run=str(run), why=str(error))


def active_runs(store: Store) -> list[Run]:
    """The runs that may be unfinished, without a look at their manifests. Keys that name no run are passed over."""
    runs = (_run(found.key) for found in store.objects(_UNFINISHED))
    return sorted((run for run in runs if run is not None), key=str)


def _key(run: Run) -> str:
    return f"{_UNFINISHED}{run.source}/{run.day}/{run.number:04d}"


def _run(key: str) -> Run | None:
    try:
        _, source, day, number = key.split("/")
        return Run(source, date.fromisoformat(day), int(number))
    except ValueError:
        log.warning("not the mark of a run", key=key)
        return None
