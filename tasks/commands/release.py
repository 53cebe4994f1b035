"""``booktape release``: publish a run that its source's threshold holds."""

import getpass
import socket
from typing import Annotated, Any

import typer

from booktape.cli.options import AsJson, DayText, Now, PublishedStorage, SourceName
from booktape.cli.terminal import print_json, print_line
from booktape.model.errors import StateError
from booktape.publish.days import past_day
from booktape.publish.executor import run_steps
from booktape.publish.lifecycle import release_held_run, require_releasable, run_to_release
from booktape.publish.retries import GateFailedError
from booktape.store.layout import Run
from config.context import open_context
from config.settings import Settings, load_settings, require_primary
from tasks.commands.queue import enqueue


class StillHeldError(StateError):
    """A released run is held for another reason."""


def release_run(
    source: SourceName,
    day: DayText,
    reason: Annotated[str, typer.Option("--reason", help="Why. It is kept in the run's manifest for good.")],
    run: Annotated[int | None, typer.Option("--run", min=1, help="Default: the day's newest held run.")] = None,
    now: Now = False,
    storage: PublishedStorage = None,
    as_json: AsJson = False,
) -> None:
    """Publish a held day although too much of it is missing for its source's threshold.

    Runs that are held for any other reason cannot be released. The certificate stays as it is, and reports the gaps.

    Example: booktape release binance-trades 2019-10-25 --run 1 --reason 'the venue was down from 10:00 to 10:30'
    """
    settings, past = _settings(storage), past_day(day)
    require_primary(settings)
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    context = open_context(settings)
    held = run_to_release(context.store, context.source(source).name, past, run)
    require_releasable(context.store, held, who, reason)
    if now:
        release_held_run(context.store, held, who, reason)
        _finish(settings, held)
        _report(as_json, {"run": str(held), "released": True}, f"{held} is released and done")
        return
    task = enqueue(settings, "tasks.nightly.release", held.source, str(held.day), held.number, who, reason)
    text = f"enqueued as task {task}, which releases {held}; `booktape status` shows its state"
    _report(as_json, {"task": task, "run": str(held)}, text)


def _settings(storage: str | None) -> Settings:
    return load_settings().model_copy(update={} if storage is None else {"storage": storage, "publish": None})


def _finish(settings: Settings, run: Run) -> None:
    try:
        run_steps(open_context(settings), run, settings.retry_policy)
    except GateFailedError as error:
        raise StillHeldError(f"{run} is held: {error}") from error


def _report(as_json: bool, values: dict[str, Any], text: str) -> None:
    if as_json:
        print_json(values)
    else:
        print_line(text)
