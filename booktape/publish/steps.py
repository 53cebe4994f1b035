"""The steps of a run in their order, and doing one of them at most once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from booktape.model.errors import BooktapeError
from booktape.publish import (
    analytics_steps,
    aws_steps,
    backfill_step,
    certify_step,
    checkpoints,
    file_steps,
    manifest,
    parquet_steps,
    release,
    results,
)
from booktape.publish.context import Context
from booktape.publish.errors import GateFailedError
from booktape.publish.results import StepResult, name_of
from booktape.publish.sources import DataSource
from booktape.store.layout import Run


class UnknownStepError(BooktapeError):
    """No step has that name."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the kind of result that it leaves, the function that does it, and which sources have it."""

    kind: type[StepResult]
    do: Callable[[Context, Run], StepResult]
    applies: Callable[[DataSource], bool] = lambda source: True

    @property
    def name(self) -> str:
        """The step's name, which is also that of its manifest object."""
        return name_of(self.kind)


RECORDED: Final = (
    Step(results.Heal, backfill_step.backfill, backfill_step.is_backfilled),
    Step(results.MergeResult, file_steps.merge),
    Step(results.Check, file_steps.check_file),
    Step(results.Certify, certify_step.certify_day),
    Step(results.Rename, file_steps.rename),
    Step(results.Parquet, parquet_steps.keep_parquet),
    Step(results.Checkpoints, checkpoints.keep_checkpoints, checkpoints.of_book),
    Step(results.MarketFiles, parquet_steps.write_files, lambda source: source.market_files),
)
COMPUTED: Final = (
    Step(results.Compute, analytics_steps.compute),
    Step(results.Check, analytics_steps.check_computed),
    Step(results.Rename, analytics_steps.rename_computed),
)
AT_AWS: Final = (
    Step(results.Revision, aws_steps.create_revision),
    Step(results.Import, aws_steps.import_assets),
    Step(results.Imported, aws_steps.poll_job),
    Step(results.Finalised, aws_steps.finalise),
    Step(results.Submitted, aws_steps.submit_change_set),
    Step(results.Shown, aws_steps.poll_change_set),
    Step(results.Revoked, aws_steps.revoke_earlier),
)
STEPS: Final = {step.name: step for step in (*RECORDED, *AT_AWS)}
"""The steps of recorded data by name, and those of computed data."""

COMPUTED_STEPS: Final = {step.name: step for step in (*COMPUTED, *AT_AWS)}

KINDS: Final = {step.name: step.kind for step in (*RECORDED, *COMPUTED, *AT_AWS)}
"""The kind of result that each step leaves, by its name: whichever data it is of."""


def plan(source: DataSource) -> tuple[Step, ...]:
    """The steps that publish a source: those that make its file, and those at AWS only if it has a data set."""
    steps = RECORDED if source.kind is None else COMPUTED
    making = tuple(step for step in steps if step.applies(source))
    return making if source.data_set is None else (*making, *AT_AWS)


def perform(context: Context, run: Run, name: str) -> StepResult:
    """Do a step unless it has a result; either way, return the result that stands.




    Raises :class:`GateFailedError` where the run must not go on (and records it),
    :class:`~booktape.publish.errors.WaitingError` and
    other :class:`~booktape.model.errors.TransientError` errors where the same call may succeed later, or another
    :class:`~booktape.model.errors.BooktapeError`, which is terminal.
    """
    source = context.source(run.source)
    known = STEPS if source.kind is None else COMPUTED_STEPS
    try:
        step = known[name]
    except KeyError:
        raise UnknownStepError(f"unknown step {name!r}; {source.name} has: {', '.join(known)}") from None
    try:
        result = _once(context, run, step)
    except GateFailedError as error:
        manifest.end(context.store, run, results.HeldRun(step.name, str(error)))
        raise
    if step.name == plan(source)[-1].name:
        manifest.end(context.store, run, results.Done(_reached(source)))
    return result


def _once(context: Context, run: Run, step: Step) -> StepResult:
    held = manifest.result(context.store, run, results.HeldRun)
    if held is not None:
        raise GateFailedError(held.why)
    result = manifest.result(context.store, run, step.kind)
    if result is None:
        manifest.refuse_superseded(context.store, run)
        result = manifest.record(context.store, run, step.do(context, run))
    if isinstance(result, results.Check) and result.held is not None:
        raise GateFailedError(result.held)
    if isinstance(result, results.Certify):
        release.refuse_held(context.store, run, result)
    return result


def _reached(source: DataSource) -> str:
    if source.data_set is None:
        return "published in the directory, no data set configured"
    products = ", ".join(product.entity for product in source.products) or "no product configured"
    return f"published in data set {source.data_set} ({products})"
