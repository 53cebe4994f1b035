"""The step that writes the day's certificate, and holds a run whose day is incomplete."""

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from hashlib import sha256
from typing import Final

from booktape.integrity import certify, end_of_day
from booktape.integrity.certify import Certified, File, InFile
from booktape.merge import Merge
from booktape.publish import lifecycle, manifest, results
from booktape.publish.context import Context
from booktape.publish.file_steps import require_passed_check
from booktape.publish.sources import DataSource
from booktape.store.layout import Run, certificate_key

_NAMED: Final = 3
"""How many of the markets that lack records an error names."""


def certify_day(context: Context, run: Run) -> results.Certify:
    """Write the certificate of the day, and decide whether the file may be published.

    The file and the recordings are read independently of each other. If they differ, the run is held for good. If the
    share of present records is below the source's threshold, or if all records of a market are missing, the run is
    held until it is released.
    """
    source = context.source(run.source)
    checked = require_passed_check(context, run)
    found = {
        name: InFile(market.rows, market.sha256, market.first_id, market.last_id)
        for name, market in checked.markets.items()
    }
    books: dict[str, bytes] = {}
    certified = certify.certify(
        context.engine.systems,
        Merge(source.exchange, source.data_type, run.day),
        source.channel,
        source.name,
        File(checked.rows, checked.bytes, checked.sha256, found),
        lambda market, book: books.setdefault(market, end_of_day.packed(book)),
    )
    key = certificate_key(run)
    context.store.replace(key, certified.content)
    held, releasable = _why_held(source, run, certified)
    if held is None:
        _store_end_of_day(context, run, source, books)
    return results.Certify(
        key=key,
        sha256=sha256(certified.content).hexdigest(),
        expected=certified.present.expected,
        seen=certified.present.seen,
        share=certified.present.share,
        held=held,
        releasable=releasable,
    )


def _store_end_of_day(context: Context, run: Run, source: DataSource, books: Mapping[str, bytes]) -> None:
    """Store the books at the end of the day for the next day's run, unless that has a run already."""
    if any(later.day == run.day + timedelta(days=1) for later in lifecycle.runs_of_source(context.store, source.name)):
        return
    for market, lines in books.items():
        end_of_day.store_snapshot(source.exchange, market, lines, context.store)


def _why_held(source: DataSource, run: Run, certified: Certified) -> tuple[str | None, bool]:
    """Why the run is held, if it is, and whether it can be released."""
    healed = f"once the recordings are healed: booktape republish {run.source} {run.day}"
    if certified.faults:
        faults = "; ".join(certified.faults[:_NAMED])
        return f"the file is not what the recordings say: {faults}; to try again: {healed.partition(': ')[2]}", False
    incomplete = _incomplete(source, certified)
    if incomplete is None:
        return None, False
    release = f"to publish it as it is: booktape release {run.source} {run.day} --reason '…'"
    return f"{incomplete}; {healed}; {release}", True


def _incomplete(source: DataSource, certified: Certified) -> str | None:
    """What is missing, if that is more than the threshold allows. A threshold of 0 allows everything."""
    present, threshold = certified.present, Fraction(str(source.threshold))
    if not present.expected or not threshold:
        return None
    if Fraction(present.seen, present.expected) < threshold:
        share = present.seen / present.expected
        text = f"{share:.4%} of the numbered records are there, below the threshold {source.threshold:.4%}"
        return f"{text}: {_lacking(certified.lacking)}"
    if certified.lost:
        lost = {name: certified.lacking[name] for name in certified.lost}
        return f"not one numbered record is there of {_count(len(lost), 'market')} of the day: {_lacking(lost)}"
    return None


def _lacking(markets: Mapping[str, tuple[int, int]]) -> str:
    """The markets that lack most, and how much they lack."""
    lacking = sorted(markets.items(), key=lambda item: (-item[1][0], item[0]))
    named = [f"{name}: {missing:,} ids missing in {_count(ranges, 'gap')}" for name, (missing, ranges) in lacking]
    more = [f"{len(named) - _NAMED} more markets"] if len(named) > _NAMED else []
    return ", ".join(named[:_NAMED] + more)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def read_certificate(context: Context, run: Run) -> bytes:
    """A run's certificate. Raises :class:`~booktape.publish.manifest.OutOfOrderError` if there is none yet."""
    return context.store.read(manifest.require_result(context.store, run, results.Certify).key)
