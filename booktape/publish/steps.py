"""The steps of a run, in their order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from booktape.model.errors import InvalidInputError
from booktape.publish import analytics_steps, aws_steps, certify_step, checkpoints, file_steps, parquet_steps, results
from booktape.publish.context import Context
from booktape.publish.results import StepResult, name_of
from booktape.publish.sources import DataSource
from booktape.store.layout import Run


class UnknownStepError(InvalidInputError):
    """No step of this source has that name."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the type of its result, the function that does it, and which sources have it."""

    kind: type[StepResult]
    do: Callable[[Context, Run], StepResult]
    applies: Callable[[DataSource], bool] = lambda source: True

    @property
    def name(self) -> str:
        """The step's name, which is also that of its manifest object."""
        return name_of(self.kind)


RECORDED: Final = (
    Step(results.Heal, file_steps.backfill, file_steps.is_backfilled),
    Step(results.MergeResult, file_steps.merge),
    Step(results.Check, file_steps.check_file),
    Step(results.Certify, certify_step.write_certificate),
    Step(results.Rename, file_steps.rename),
    Step(results.Parquet, parquet_steps.publish_parquet),
    Step(results.Checkpoints, checkpoints.publish_checkpoints, checkpoints.has_checkpoints),
    Step(results.MarketFiles, parquet_steps.publish_market_files, lambda source: source.market_files),
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
"""The steps of recorded data, by name."""

COMPUTED_STEPS: Final = {step.name: step for step in (*COMPUTED, *AT_AWS)}
"""The steps of computed data, by name."""

STEP_NAMES: Final = tuple(dict.fromkeys((*STEPS, *COMPUTED_STEPS)))
"""The names of all steps."""


def plan(source: DataSource) -> tuple[Step, ...]:
    """The steps that publish a source. Only a source with a data set has those at AWS."""
    steps = RECORDED if source.kind is None else COMPUTED
    making = tuple(step for step in steps if step.applies(source))
    return making if source.data_set is None else (*making, *AT_AWS)


def find_step(source: DataSource, name: str) -> Step:
    """The step of that name. Raises :class:`UnknownStepError`, whose text lists the source's steps."""
    known = STEPS if source.kind is None else COMPUTED_STEPS
    try:
        return known[name]
    except KeyError:
        raise UnknownStepError(f"unknown step {name!r}; {source.name} has: {', '.join(known)}") from None
