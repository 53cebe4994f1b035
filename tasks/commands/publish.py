"""``booktape nightly``, ``republish`` and ``status``: publish recorded days, and show the state of their runs."""

import uuid
from typing import Annotated

import typer
from rich.markup import escape
from rich.status import Status

from booktape.cli.console import err
from booktape.cli.options import AsJson, DayText, Now, Replica, SourceName, Storage
from booktape.cli.terminal import out, print_json, print_line
from booktape.model.errors import BooktapeError, FailedError
from booktape.publish import lifecycle, manifest
from booktape.publish.aws_steps import require_revocable
from booktape.publish.context import Context
from booktape.publish.days import past_day, yesterday
from booktape.publish.executor import RunObserver, run_steps
from booktape.publish.lifecycle import RunStatus, run_status, source_statuses
from booktape.publish.results import Certify, Check, Rename, StepResult
from booktape.publish.retries import GateFailedError, Retry
from booktape.publish.sources import in_publication_order
from booktape.store.layout import Run
from booktape.store.objects import Store, open_store
from config.context import open_context
from config.settings import Settings, load_settings, require_primary
from config.sources import load_sources
from tasks.commands.queue import enqueue
from tasks.commands.redundancy import show_redundancy

Day = Annotated[str | None, typer.Option("--day", help="A UTC day that is over, as 2019-10-25. Default: yesterday.")]
OneSource = Annotated[
    str | None, typer.Option("--source", help="One data source. Default: all in config/sources.yaml, recorded or not.")
]


class RunsFailedError(FailedError):
    """Some runs are held or failed."""


def nightly(
    day: Day = None,
    source: OneSource = None,
    storage: Storage = None,
    replica: Replica = None,
    as_json: AsJson = False,
) -> None:
    """Publish a day now, in this process: merge, check, rename and, where a data set is configured, AWS.

    These are the steps that the Celery workers run at 00:20 UTC, without Redis. Finished steps are not repeated.

    Example: booktape nightly --day 2019-10-25 --source binance-trades
    """
    settings = _settings(storage, replica)
    require_primary(settings)
    context = open_context(settings)
    chosen = past_day(day) if day is not None else yesterday()
    names = [context.source(source).name] if source is not None else in_publication_order(context.sources)
    request = f"booktape nightly {uuid.uuid4()}"
    runs = [lifecycle.claim_run(context.store, name, chosen, "nightly", request) for name in names]
    _run_all(context, settings, runs, as_json=as_json)


def republish_day(
    source: SourceName,
    day: DayText,
    now: Now = False,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Then revoke the old revision at AWS Data Exchange. Cannot be undone.")
    ] = False,
    storage: Storage = None,
    replica: Replica = None,
    as_json: AsJson = False,
) -> None:
    """Publish a day once more, as a revision of its own, and record what changed (old and new hash).

    The task goes to the queue of the nightly workers; `booktape status` shows its state.

    Example: booktape republish binance-trades 2019-10-25
    """
    settings = _settings(storage, replica)
    require_primary(settings)
    chosen = past_day(day)
    context = open_context(settings)
    known = context.source(source)
    if revoke:
        require_revocable(known)
    if now:
        request = f"booktape republish {uuid.uuid4()}"
        run = lifecycle.claim_run(context.store, known.name, chosen, "republish", request, revoke=revoke)
        _run_all(context, settings, [run], as_json=as_json)
        return
    task = enqueue(settings, "tasks.nightly.republish", source, str(chosen), revoke=revoke)
    if as_json:
        print_json({"task": task, "source": source, "day": str(chosen)})
    else:
        out.print(f"enqueued as task {task}; `booktape status --source {source}` shows its state")


def show_status(
    source: OneSource = None,
    day: Annotated[str | None, typer.Option("--day", help="Only this day, as 2019-10-25.")] = None,
    redundancy: Annotated[
        bool,
        typer.Option(
            "--redundancy", help="Show the batches that the instances wrote alike on a day instead. Default: today."
        ),
    ] = False,
    exchange: Annotated[str | None, typer.Option("--exchange", help="With --redundancy: only this exchange.")] = None,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Show the state of each data source's runs, from their manifests in storage.

    --redundancy shows which batches several instances of a system wrote alike, from the uptime logs.
    """
    settings = _settings(storage, None)
    if redundancy:
        show_redundancy(settings, exchange, day, as_json=as_json)
        return
    chosen = past_day(day) if day is not None else None
    names = [_known_source(settings, source)] if source is not None else sorted(load_sources(settings.sources))
    store = open_store(settings.storage, make=False)
    found = [
        state
        for name in names
        for state in source_statuses(store, name, since=chosen)
        if chosen in (None, state.run.day)
    ]
    if as_json:
        print_json([_fields(store, state) for state in found])
        return
    for state in found:
        _print_status(store, state)
    if not found:
        out.print(f"no runs in {store.url} yet; `booktape nightly --day …` makes one")


def _settings(storage: str | None, replica: str | None) -> Settings:
    changes = {name: url for name, url in (("storage", storage), ("replica", replica)) if url is not None}
    return load_settings().model_copy(update=changes)


def _known_source(settings: Settings, name: str) -> str:
    return open_context(settings).source(name).name


class _StatusLine(RunObserver):
    """Shows a run's newest step in a line of the terminal."""

    def __init__(self, line: Status) -> None:
        self._line = line

    def on_result(self, run: Run, step: str, result: StepResult, seconds: float | None) -> None:
        self._line.update(f"{run}: {step} done")

    def on_retry(self, run: Run, step: str, retry: Retry) -> None:
        self._line.update(f"{run}: {step}: {retry.error}")


def _run_all(context: Context, settings: Settings, runs: list[Run], *, as_json: bool) -> None:
    """Run the steps of several runs, one run after the other; a run that fails does not stop the others."""
    stopped = []
    for run in runs:
        try:
            with err.status(f"{run}: starting") as line:
                run_steps(context, run, settings.retry_policy, _StatusLine(line))
        except GateFailedError as error:
            stopped.append(f"{run} is held: {error}")
        except BooktapeError as error:
            stopped.append(f"{run} failed: {error}")
        if not as_json:
            _print_run(context, run)
    if as_json:
        print_json([_fields(context.store, run_status(context.store, run)) for run in runs])
    if len(stopped) == 1:
        raise RunsFailedError(stopped[0])
    if stopped:
        hint = f"`booktape status --storage {context.store.url} --day {runs[0].day}` shows why"
        raise RunsFailedError(f"{len(stopped)} of {len(runs)} runs are not done; {hint}")


def _print_run(context: Context, run: Run) -> None:
    checked = manifest.read_result(context.store, run, Check)
    renamed = manifest.read_result(context.store, run, Rename)
    state = run_status(context.store, run)
    out.print(f"{run}: {state.state}: {state.detail}", highlight=False, soft_wrap=True)
    if checked is not None and renamed is not None:
        changed = {True: ", differs from the run before", False: ", the same as the run before", None: ""}
        print_line(f"  {checked.rows:,} rows, sha256 {checked.sha256}{changed[checked.differs]}")
        print_line(f"  {renamed.url}")


def _fields(store: Store, state: RunStatus) -> dict[str, object]:
    checked = manifest.read_result(store, state.run, Check)
    certified = manifest.read_result(store, state.run, Certify)
    renamed = manifest.read_result(store, state.run, Rename)
    return {
        "source": state.run.source,
        "day": str(state.run.day),
        "run": state.run.number,
        "reason": state.reason,
        "state": state.state,
        "detail": state.detail,
        "steps": state.steps,
        "at": state.at,
        "rows": checked.rows if checked else None,
        "share_present": certified.share if certified else None,
        "sha256": checked.sha256 if checked else None,
        "url": renamed.url if renamed else None,
    }


def _print_status(store: Store, state: RunStatus) -> None:
    color = {"done": "green", "running": "cyan"}.get(state.state, "red")
    step = f", after {state.step}" if state.step and state.state != "done" else ""
    out.print(f"{state.run} ({state.reason}): [{color}]{state.state}[/]{step}", highlight=False, soft_wrap=True)
    if state.detail:
        out.print(f"  {escape(state.detail)}", highlight=False, soft_wrap=True)
    if (checked := manifest.read_result(store, state.run, Check)) is not None:
        out.print(f"  {checked.rows:,} rows{_share_text(store, state.run)}", highlight=False)


def _share_text(store: Store, run: Run) -> str:
    certified = manifest.read_result(store, run, Certify)
    if certified is None:
        return ""
    return ", unverifiable" if certified.share is None else f", {certified.share} of the venue's numbers are there"
