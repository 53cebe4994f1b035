"""The step that writes the day's certificate, and holds a run whose day is incomplete."""

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from hashlib import sha256
from typing import Final

from booktape.integrity import certify
from booktape.integrity.certificate import Certificate, MarketCertificate, PublishedFile
from booktape.integrity.certify import CertifiedDay
from booktape.merge import Merge
from booktape.publish import lifecycle, manifest, results
from booktape.publish.context import Context
from booktape.publish.end_of_day import store_end_of_day_snapshot
from booktape.publish.file_steps import require_passed_check
from booktape.publish.sources import DataSource
from booktape.store.layout import Run, certificate_key

_NAMED: Final = 3
"""How many of the markets that lack records an error names."""


def write_certificate(context: Context, run: Run) -> results.Certify:
    """Write the certificate of the day, and decide whether the file may be published.

    The file and the recordings are read independently of each other. If they differ, the run is held for good. If the
    share of present records is below the source's threshold, or if all records of a market are missing, the run is
    held until it is released.
    """
    source = context.source(run.source)
    checked = require_passed_check(context, run)
    certified = certify.certify_day(
        context.engine.systems,
        Merge(source.exchange, source.data_type, run.day),
        source.channel,
        source.name,
        PublishedFile(rows=checked.rows, bytes=checked.bytes, sha256=checked.sha256),
        checked.markets,
    )
    key, content = certificate_key(run), certified.certificate.encode()
    context.store.replace(key, content)
    held, releasable = _why_held(source, run, certified)
    if held is None:
        _store_end_of_day(context, run, source, certified.end_of_day_snapshots)
    totals = certified.certificate.totals
    return results.Certify(
        key=key,
        sha256=sha256(content).hexdigest(),
        expected=totals.expected,
        seen=totals.present or 0,
        share=totals.share_present,
        held=held,
        releasable=releasable,
    )


def _store_end_of_day(context: Context, run: Run, source: DataSource, snapshots: Mapping[str, bytes]) -> None:
    """Store the books at the end of the day for the next day's run, unless that has a run already."""
    if any(later.day == run.day + timedelta(days=1) for later in lifecycle.runs_of_source(context.store, source.name)):
        return
    for market, lines in snapshots.items():
        store_end_of_day_snapshot(source.exchange, market, lines, context.store)


def _why_held(source: DataSource, run: Run, certified: CertifiedDay) -> tuple[str | None, bool]:
    """Why the run is held, if it is, and whether it can be released."""
    healed = f"once the recordings are healed: booktape republish {run.source} {run.day}"
    if certified.faults:
        faults = "; ".join(certified.faults[:_NAMED])
        return f"the file is not what the recordings say: {faults}; to try again: {healed.partition(': ')[2]}", False
    incomplete = _incomplete(source, certified.certificate)
    if incomplete is None:
        return None, False
    release = f"to publish it as it is: booktape release {run.source} {run.day} --reason '…'"
    return f"{incomplete}; {healed}; {release}", True


def _incomplete(source: DataSource, certificate: Certificate) -> str | None:
    """What is missing, if that is more than the threshold allows. A threshold of 0 allows everything."""
    expected, present = certificate.totals.expected, certificate.totals.present
    threshold = Fraction(str(source.threshold))
    if not expected or present is None or not threshold:
        return None
    if Fraction(present, expected) < threshold:
        share = present / expected
        text = f"{share:.4%} of the numbered records are there, below the threshold {source.threshold:.4%}"
        return f"{text}: {_lacking(certificate.markets)}"
    lost = {name: market for name, market in certificate.markets.items() if market.is_lost}
    if lost:
        return f"not one numbered record is there of {_count(len(lost), 'market')} of the day: {_lacking(lost)}"
    return None


def _lacking(markets: Mapping[str, MarketCertificate]) -> str:
    """The markets that lack most, and how much they lack."""
    missing = {name: market.missing() for name, market in markets.items()}
    lacking = sorted((item for item in missing.items() if item[1][0]), key=lambda item: (-item[1][0], item[0]))
    named = [f"{name}: {ids:,} ids missing in {_count(ranges, 'gap')}" for name, (ids, ranges) in lacking]
    more = [f"{len(named) - _NAMED} more markets"] if len(named) > _NAMED else []
    return ", ".join(named[:_NAMED] + more)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def read_certificate(context: Context, run: Run) -> bytes:
    """A run's certificate. Raises :class:`~booktape.publish.manifest.OutOfOrderError` if there is none yet."""
    return context.store.read(manifest.require_result(context.store, run, results.Certify).key)
