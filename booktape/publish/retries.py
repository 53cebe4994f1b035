"""What follows a try of a step that did not succeed: the one decision that Celery and the command line share."""

import random
from dataclasses import dataclass

from booktape.model.errors import BooktapeError, FailedError, StateError, TransientError
from booktape.model.records import SECOND


class WaitingError(TransientError):
    """A service is still working on the request. Poll again after a while."""


class GateFailedError(StateError):
    """The file is not fit to be published: the run is held.

    Repair the recordings and republish the day, or lower the source's threshold.
    """


class GaveUpError(FailedError):
    """The deadline has passed and the step has not succeeded."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again, and when to give up. All times are in seconds.

    :param poll: the pause while a service works.
    :param first: the pause after the first transient error; each further one is twice as long.
    :param most: the longest pause. A random part of up to one half is taken off each pause after an error, so that
        tasks that failed together do not come back together.
    :param deadline: a step that has not succeeded this long after its first try has failed.
    """

    poll: float = 15
    first: float = 2
    most: float = 300
    deadline: float = 6 * 3600

    def delay(self, error: TransientError, tries: int) -> float:
        """Seconds until the next try, after ``tries`` tries before the one that raised ``error``."""
        if isinstance(error, WaitingError):
            return self.poll
        longest = min(self.most, self.first * 2.0 ** min(tries, 30))
        return longest * random.uniform(0.5, 1)  # noqa: S311  # no secret

    def is_over(self, first_try: int, now: int) -> bool:
        """Whether the deadline has passed. Both times are in µs."""
        return now - first_try > self.deadline * SECOND

    def give_up(self, why: object) -> GaveUpError:
        """The error that ends a step whose deadline has passed."""
        return GaveUpError(f"gave up after {self.deadline:.0f} s: {why}")


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after ``seconds``. ``first_try`` (µs) is when the deadline began, ``error`` why it did not succeed."""

    seconds: float
    first_try: int
    error: TransientError


@dataclass(frozen=True, slots=True)
class Hold:
    """The run is held."""

    error: GateFailedError


@dataclass(frozen=True, slots=True)
class Fail:
    """The step has failed for good. ``error`` is what to raise, ``why`` what to record."""

    error: Exception

    @property
    def why(self) -> str:
        """The error's text; the type comes first where the error is not one of Booktape's own."""
        return (
            str(self.error) if isinstance(self.error, BooktapeError) else f"{type(self.error).__name__}: {self.error}"
        )


def decide(policy: RetryPolicy, error: Exception, *, first_try: int, now: int, tries: int) -> Retry | Hold | Fail:
    """What follows an error.

    :param first_try: when the step was first tried, in µs.
    :param now: the time of the decision, in µs.
    :param tries: how many tries came before the one that raised ``error``.
    """
    if isinstance(error, GateFailedError):
        return Hold(error)
    if not isinstance(error, TransientError):
        return Fail(error)
    if policy.is_over(first_try, now):
        return Fail(policy.give_up(error))
    return Retry(policy.delay(error, tries), first_try, error)
