"""What is missing of a day in which the venue began its numbers anew: each era is a sequence of its own."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from booktape.core.proof_loss import Era, Loss, Watch
from booktape.core.proof_order import ERA, Copy
from booktape.core.proof_terms import Terms
from booktape.core.records import Trade
from booktape.core.restarts import CERTAINLY_LATER


class Watches:
    """Takes a market's copies place by place, and tells what is missing of each era.

    :param before: the last number known from before the day's own objects, None where there is none.
    """

    def __init__(self, terms: Terms, before: int | None) -> None:
        self._terms = terms
        self._watches = {0: self._watch(before)}

    def _watch(self, before: int | None = None) -> Watch:
        return Watch(self._terms.data_type, self._terms.rule, before, self._terms.day.stop)

    def take(self, copies: Sequence[Copy]) -> None:
        """Take all copies of one place."""
        era = copies[0].place // ERA
        watch = self._watches.get(era)
        if watch is None:
            watch = self._watches[era] = self._watch()
        watch.take(copies)

    def results(self) -> list[Era]:
        """What was found of each era that the day has records of; of the first one at least."""
        found = [
            Era(self._terms.restarts[number - 1].high if number else None, watch.result())
            for number, watch in sorted(self._watches.items())
        ]
        return [one for one in found if one.loss.first is not None] or found[:1]


def together(eras: Sequence[Era]) -> Loss:
    """What is missing of all eras of a day. Between two of them, numbers tell nothing."""
    losses = [one.loss for one in eras]
    if len(losses) == 1:
        return losses[0]
    return Loss(
        losses[0].first,
        losses[-1].last,
        sum(loss.expected or 0 for loss in losses),
        sum(loss.seen or 0 for loss in losses),
        [one for loss in losses for one in loss.missing],
        [one for loss in losses for one in loss.links],
        [one for loss in losses for one in loss.elsewhere],
        [one for loss in losses for one in loss.resumed],
        losses[0].start,
        losses[-1].end,
        list(eras),
    )


def told_apart(copies: Sequence[Copy]) -> bool:
    """Whether one system has two trades of one id, one made certainly later: no copies, and nothing shows a restart."""
    return any(
        one.system == other.system and abs(one.record.timestamp - other.record.timestamp) > CERTAINLY_LATER
        for one, other in pairwise(copies)
    )


def ids_told_apart(trades: Iterable[tuple[int, Trade]]) -> list[int | str]:
    """The ids of such trades, where trades are not placed by their ids. They come with their systems."""
    times: defaultdict[tuple[int, int | str], set[int]] = defaultdict(set)
    for system, trade in trades:
        times[system, trade.id].add(trade.timestamp)
    apart = {identifier for (_, identifier), told in times.items() if max(told) - min(told) > CERTAINLY_LATER}
    return sorted(apart, key=str)
