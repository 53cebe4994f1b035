"""Letting a run go on that is held for its source's threshold: by somebody, for a reason, on the record."""

from datetime import date

from booktape.model.errors import BooktapeError
from booktape.publish import manifest, results
from booktape.publish.errors import GateFailedError
from booktape.publish.results import name_of
from booktape.store.layout import Run
from booktape.store.objects import Store


class NotReleasableError(BooktapeError):
    """A run that is not held, or not for its source's threshold alone; or no reason was given."""


def release_held_run(store: Store, run: Run, who: str, why: str) -> results.Released:
    """Let a run go on that is held for its source's threshold alone. Doing it twice is doing it once.

    Raises :class:`NotReleasableError`, or :class:`~booktape.publish.manifest.SupersededError` where a later run exists.
    """
    held = require_releasable(store, run, who, why)
    if held is not None:
        manifest.record(store, run, results.Released(who, why, held.why))
        manifest.take_back_hold(store, run)
    return manifest.required(store, run, results.Released)


def require_releasable(store: Store, run: Run, who: str, why: str) -> results.HeldRun | None:
    """What holds a run; None where it was released before.
    Raises what :func:`release_held_run` raises, and changes nothing."""
    if not who.strip() or not why.strip():
        raise NotReleasableError(f"say who releases {run}, and why: it stands in the manifest for good")
    manifest.refuse_superseded(store, run)
    held, certified = manifest.result(store, run, results.HeldRun), manifest.result(store, run, results.Certify)
    if held is None:
        if manifest.result(store, run, results.Released) is None:
            raise NotReleasableError(f"{run} is not held: booktape status --source {run.source} --day {run.day}")
        return None
    if certified is None or held.step != name_of(results.Certify) or not certified.releasable:
        raise NotReleasableError(
            f"{run} is held at {held.step}: {held.why}; only a run below its source's threshold can be released"
        )
    return held


def refuse_held(store: Store, run: Run, certified: results.Certify) -> None:
    """Raise :class:`~booktape.publish.errors.GateFailedError` for what holds a certificate's run, unless it was
    released."""
    if certified.held is not None and manifest.result(store, run, results.Released) is None:
        raise GateFailedError(certified.held)


def run_to_release(store: Store, source: str, day: date, number: int | None = None) -> Run:
    """The run to release: that of a number, else the day's newest that is held or was released.

    Raises :class:`NotReleasableError` where there is none.
    """
    runs = [
        run
        for run in manifest.runs_of_day(store, source, day)
        if (run.number == number if number is not None else _was_held(store, run))
    ]
    if runs:
        return runs[-1]
    wanted = f"run {number}" if number is not None else "run that is held"
    raise NotReleasableError(
        f"there is no {wanted} of {source} on {day}: booktape status --source {source} --day {day}"
    )


def _was_held(store: Store, run: Run) -> bool:
    return any(manifest.result(store, run, kind) is not None for kind in (results.HeldRun, results.Released))
