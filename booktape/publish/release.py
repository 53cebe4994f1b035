"""Letting a run go on that is held for its source's threshold: by somebody, for a reason, on the record."""

from datetime import date

from booktape.errors import BooktapeError
from booktape.publish import manifest, results
from booktape.publish.errors import Held
from booktape.publish.results import name_of
from booktape.publish.sources import Run
from booktape.storage import Store


class NotReleasable(BooktapeError):
    """A run that is not held, or not for its source's threshold alone; or no reason was given."""


def release(store: Store, run: Run, who: str, why: str) -> results.Released:
    """Let a run go on that is held for its source's threshold alone. Doing it twice is doing it once.

    Raises :class:`NotReleasable`, or :class:`~booktape.publish.manifest.Superseded` where a later run exists.
    """
    if not who.strip() or not why.strip():
        raise NotReleasable(f"say who releases {run}, and why: it stands in the manifest for good")
    manifest.refuse_superseded(store, run)
    released = manifest.result(store, run, results.Released)
    if released is None:
        held = _held_for_threshold(store, run)
        released = manifest.record(store, run, results.Released(who, why, held.why))
    if manifest.result(store, run, results.Held) is not None:
        manifest.take_back_hold(store, run)
    return released


def _held_for_threshold(store: Store, run: Run) -> results.Held:
    held, certified = manifest.result(store, run, results.Held), manifest.result(store, run, results.Certify)
    if held is None:
        raise NotReleasable(f"{run} is not held")
    if certified is None or held.step != name_of(results.Certify) or not certified.releasable:
        raise NotReleasable(
            f"{run} is held at {held.step}: {held.why}; only a run below its source's threshold can be released"
        )
    return held


def refuse_held(store: Store, run: Run, certified: results.Certify) -> None:
    """Raise :class:`~booktape.publish.errors.Held` for what holds a certificate's run, unless it was released."""
    if certified.held is not None and manifest.result(store, run, results.Released) is None:
        raise Held(certified.held)


def newest(store: Store, source: str, day: date) -> Run:
    """The day's last run. Raises :class:`NotReleasable` if there is none."""
    run = manifest.last(store, source, day)
    if run is None:
        raise NotReleasable(f"there is no run of {source} on {day}: booktape nightly --day {day} --source {source}")
    return run
