"""``booktape nightly``, ``republish``, ``status`` and ``athena init``: what becomes of a day once it is recorded."""

import logging
import uuid
from datetime import date
from typing import Annotated

import typer
from kombu.exceptions import OperationalError
from rich.markup import escape

from booktape.cli.redundancy import show_redundancy
from booktape.cli.terminal import AsJson, out, print_json
from booktape.exchanges import exchanges
from booktape.merge import init_athena
from booktape.model.errors import BooktapeError
from booktape.publish import manifest
from booktape.publish.aws_steps import require_revocable
from booktape.publish.context import Context
from booktape.publish.errors import GateFailedError
from booktape.publish.executor import past_day, run_chain, yesterday
from booktape.publish.results import Certify, Check, Rename
from booktape.publish.sources import in_publication_order
from booktape.publish.status import Status, status, statuses
from booktape.store.layout import Run
from booktape.store.objects import Store, open_store
from config.console import err
from config.context import open_context
from config.settings import Settings, load_settings, require_primary
from config.sources import load_sources

athena = typer.Typer(help="Amazon Athena, where one machine is too small to merge.", no_args_is_help=True)

Day = Annotated[str | None, typer.Option("--day", help="A day that is over, as 2019-10-25. Default: yesterday, UTC.")]
OneSource = Annotated[
    str | None, typer.Option("--source", help="One data source. Default: all in config/sources.yaml, recorded or not.")
]
Storage = Annotated[str | None, typer.Option("--storage", help="Instead of BOOKTAPE_STORAGE: the recordings.")]
Replica = Annotated[str | None, typer.Option("--replica", help="Instead of BOOKTAPE_REPLICA: the second system's.")]


class RunsFailedError(BooktapeError):
    """Some runs were held or failed."""


class RedisAwayError(BooktapeError):
    """Nothing can be enqueued."""


def nightly(
    day: Day = None,
    source: OneSource = None,
    storage: Storage = None,
    replica: Replica = None,
    as_json: AsJson = False,
) -> None:
    """Publish a day now, in this process: merge, check, rename and, where a data set is configured, AWS.

    The same steps that the Celery workers do at 00:20 UTC, without Redis. What is done already is not done again.

    Example: booktape nightly --day 2019-10-25 --source binance-trades
    """
    settings = _settings(storage, replica)
    require_primary(settings)
    context = open_context(settings)
    chosen = past_day(day) if day is not None else yesterday()
    names = [context.source(source).name] if source is not None else in_publication_order(context.sources)
    request = f"booktape nightly {uuid.uuid4()}"
    runs = [manifest.claim(context.store, name, chosen, "nightly", request) for name in names]
    _run_all(context, settings, runs, as_json=as_json)


def republish(
    source: Annotated[str, typer.Argument(help="A data source, as binance-trades.")],
    day: Annotated[str, typer.Argument(help="A day that is over, as 2019-10-25.")],
    now: Annotated[bool, typer.Option("--now", help="Do it in this process instead of enqueueing it.")] = False,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Then revoke the old revision at AWS Data Exchange. Cannot be undone.")
    ] = False,
    storage: Storage = None,
    replica: Replica = None,
    as_json: AsJson = False,
) -> None:
    """Publish a day once more, as a revision of its own, and record what changed (old and new hash).

    The task goes to the queue of the nightly workers; `booktape status` tells how it stands.

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
        run = manifest.claim(context.store, known.name, chosen, "republish", request, revoke=revoke)
        _run_all(context, settings, [run], as_json=as_json)
        return
    task = _enqueue(settings, source, chosen, revoke=revoke)
    if as_json:
        print_json({"task": task, "source": source, "day": str(chosen)})
    else:
        out.print(f"enqueued as task {task}; `booktape status --source {source}` tells how it stands")


def show_status(
    source: OneSource = None,
    day: Annotated[str | None, typer.Option("--day", help="Only this day, as 2019-10-25.")] = None,
    redundancy: Annotated[
        bool, typer.Option("--redundancy", help="Instead, what the instances wrote alike on a day; default: today.")
    ] = False,
    exchange: Annotated[str | None, typer.Option("--exchange", help="With --redundancy: only this exchange.")] = None,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Tell how the runs of the data sources stand, from their manifests in storage.

    --redundancy tells from the collectors' ledgers which batches several instances of a system wrote alike.
    """
    settings = _settings(storage, None)
    if redundancy:
        show_redundancy(settings, exchange, day, as_json=as_json)
        return
    chosen = past_day(day) if day is not None else None
    names = [_known_source(settings, source)] if source is not None else sorted(load_sources(settings.sources))
    store = open_store(settings.storage, make=False)
    found = [
        state for name in names for state in statuses(store, name, since=chosen) if chosen in (None, state.run.day)
    ]
    if as_json:
        print_json([_told(store, state) for state in found])
        return
    for state in found:
        _print_status(store, state)
    if not found:
        out.print(f"no runs in {store.url} yet; `booktape nightly --day …` makes one")


@athena.command("init")
def athena_init() -> None:
    """Make the database and the tables, with partition projection, over both systems' buckets. Safe to repeat."""
    settings = load_settings()
    logging.getLogger("pyathena").setLevel(logging.CRITICAL)  # it logs with a traceback what is told in one line below
    init_athena(
        primary=settings.storage,
        replica=settings.replica,
        results=settings.results_url,
        exchanges=sorted(exchanges()),
        database=settings.athena_database,
        workgroup=settings.athena_workgroup,
    )
    out.print(f"the tables of database {settings.athena_database} are there")


def _settings(storage: str | None, replica: str | None) -> Settings:
    changes = {name: url for name, url in (("storage", storage), ("replica", replica)) if url is not None}
    return load_settings().model_copy(update=changes)


def _known_source(settings: Settings, name: str) -> str:
    return open_context(settings).source(name).name


def _run_all(context: Context, settings: Settings, runs: list[Run], *, as_json: bool) -> None:
    """Run the chains one after the other; all of them, even where one fails."""
    stopped = []
    for run in runs:
        try:
            with err.status(f"{run}: starting") as line:
                run_chain(
                    context,
                    run.source,
                    run.day,
                    run.number,
                    patience=settings.patience,
                    on_step=lambda step, result, run=run, line=line: line.update(f"{run}: {step} done"),  # type: ignore[misc]  # bound at once
                    on_wait=lambda step, error, run=run, line=line: line.update(f"{run}: {step}: {error}"),  # type: ignore[misc]  # bound at once
                )
        except GateFailedError as error:
            stopped.append(f"{run} is held: {error}")
        except BooktapeError as error:
            stopped.append(f"{run} failed: {error}")
        if not as_json:
            _tell(context, run)
    if as_json:
        print_json([_told(context.store, status(context.store, run)) for run in runs])
    if len(stopped) == 1:
        raise RunsFailedError(stopped[0])
    if stopped:
        hint = f"`booktape status --storage {context.store.url} --day {runs[0].day}` tells why"
        raise RunsFailedError(f"{len(stopped)} of {len(runs)} runs are not done; {hint}")


def _tell(context: Context, run: Run) -> None:
    checked = manifest.result(context.store, run, Check)
    renamed = manifest.result(context.store, run, Rename)
    state = status(context.store, run)
    out.print(f"{run}: {state.state}: {state.detail}", highlight=False, soft_wrap=True)
    if checked is not None and renamed is not None:
        changed = {True: ", differs from the run before", False: ", the same as the run before", None: ""}
        told = f"  {checked.rows:,} rows, sha256 {checked.sha256}{changed[checked.differs]}"
        out.print(told, highlight=False, soft_wrap=True)
        out.print(f"  {renamed.url}", highlight=False, soft_wrap=True)


def _told(store: Store, state: Status) -> dict[str, object]:
    checked = manifest.result(store, state.run, Check)
    certified = manifest.result(store, state.run, Certify)
    renamed = manifest.result(store, state.run, Rename)
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


def _print_status(store: Store, state: Status) -> None:
    color = {"done": "green", "running": "cyan"}.get(state.state, "red")
    step = f", after {state.step}" if state.step and state.state != "done" else ""
    out.print(f"{state.run} ({state.reason}): [{color}]{state.state}[/]{step}", highlight=False, soft_wrap=True)
    if state.detail:
        out.print(f"  {escape(state.detail)}", highlight=False, soft_wrap=True)
    if (checked := manifest.result(store, state.run, Check)) is not None:
        out.print(f"  {checked.rows:,} rows{_told_of_certificate(store, state.run)}", highlight=False)


def _told_of_certificate(store: Store, run: Run) -> str:
    certified = manifest.result(store, run, Certify)
    if certified is None:
        return ""
    return ", unverifiable" if certified.share is None else f", {certified.share} of the venue's numbers are there"


def _enqueue(settings: Settings, source: str, day: date, *, revoke: bool) -> str:
    from tasks import app  # here, since it reads the whole configuration

    try:
        sent = app.send_task("tasks.nightly.republish", args=[source, str(day)], kwargs={"revoke": revoke}, retry=False)
        return str(sent.id)
    except OperationalError as error:
        raise RedisAwayError(
            f"Redis at {settings.redis_url} is not reachable ({error}); start it, set REDIS_URL, or use --now"
        ) from error
