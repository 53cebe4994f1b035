"""A venue that begins its numbers anew within a day: what lies between the two runs of numbers is not missing."""

from collections.abc import Sequence

from booktape.core.proof_loss import Loss, Watch
from booktape.core.proof_order import Copy
from booktape.core.records import SECOND, TRADES, Trade
from booktape.core.sequence import CONTIGUOUS

NOON = 1723204800 * SECOND


def trade(number: int, second: int) -> Trade:
    time = NOON + second * SECOND
    return Trade(number, time, "buy", "10", "1", time)


def loss(trades: Sequence[Trade], before: int | None = None) -> Loss:
    """What is told of trades by their numbers, as the certificate takes them."""
    watch = Watch(TRADES, CONTIGUOUS, before)
    for place, one in enumerate(sorted(trades, key=lambda one: int(one.id))):
        watch.take([Copy(int(one.id), 0, one.local_timestamp, 0, place, 0, True, one)])
    return watch.result()


OLD = [trade(1001, 1), trade(1002, 2), trade(1004, 4)]
NEW = [trade(1, 60), trade(2, 61), trade(5, 64)]


def test_only_what_is_missing_of_each_run_is_missing() -> None:
    found = loss([*OLD, *NEW])
    assert found.missing == [(3, 4), (1003, 1003)]
    assert found.restarted == [(6, 1000)]
    assert (found.expected, found.seen) == (9, 6)


def test_the_day_before_is_joined_to_the_first_run_alone() -> None:
    found = loss([*OLD, *NEW], before=998)
    assert found.missing == [(3, 4), (999, 1000), (1003, 1003)]
    assert found.restarted == [(6, 998)]
    assert (found.expected, found.seen) == (11, 6)


def test_numbers_that_rise_with_the_time_are_one_run_however_far_apart() -> None:
    found = loss([trade(1, 1), trade(1000, 60)])
    assert (found.missing, found.restarted, found.expected) == ([(2, 999)], [], 1000)
