"""Marks of runs that may be under way: by listing these few, abandoned ones are found, however old their days are.

``unfinished/{source}/{YYYY-MM-DD}/{run:04d}`` is an empty object, written before a run starts and taken away some time
after it ended.
"""

from booktape.store.layout import InvalidKeyError, Run, active_run_key, active_runs_prefix, parse_active_run_key
from booktape.store.objects import StorageDeniedError, Store


def mark_active(store: Store, run: Run) -> None:
    """Say that a run may be under way."""
    store.create(active_run_key(run), b"")


def mark_ended(store: Store, run: Run) -> None:
    """Take a run's mark away. Where that is not allowed, the mark stays: it costs a look now and then, no more."""
    try:
        store.delete(active_run_key(run))
    except StorageDeniedError as error:
        _warn("the mark of a run that ended stays", run=str(run), why=str(error))


def active_runs(store: Store) -> list[Run]:
    """The runs that may be unfinished, without a look at their manifests. Keys that name no run are passed over."""
    runs = (_run(found.key) for found in store.objects(active_runs_prefix()))
    return sorted((run for run in runs if run is not None), key=str)


def _run(key: str) -> Run | None:
    try:
        return parse_active_run_key(key)
    except InvalidKeyError:
        _warn("not the mark of a run", key=key)
        return None


def _warn(event: str, **values: str) -> None:
    import structlog  # here, since who only reads manifests need not have it

    structlog.get_logger(__name__).warning(event, **values)
