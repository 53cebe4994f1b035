"""The steps that make the file of computed data: compute, check, rename. It is computed from what is published."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from booktape.core.instants import midnight
from booktape.core.records import DAY
from booktape.errors import BooktapeError
from booktape.exchanges import exchange
from booktape.publish import base_rows, files, manifest, results, sorted_csv
from booktape.publish.context import Context
from booktape.publish.errors import Waiting
from booktape.publish.file_steps import place
from booktape.publish.files import FileChanged
from booktape.publish.kinds import Stretch
from booktape.publish.sources import Run, Source, base_of

_RULE: Final = "none"
"""Nothing numbers what is computed."""


class NotPublished(BooktapeError):
    """What something is to be computed of is not there, and does not come by itself."""


def compute(context: Context, run: Run) -> results.Compute:
    """Compute the day's rows of the newest run of the base source that is done.

    Raises :class:`Waiting` while a run of it is under way, and :class:`NotPublished` where there is none.
    """
    source = context.source(run.source)
    base = base_of(source, context.sources)
    read = _newest(context, base, run)
    key = f"merged/{run.source}/{run.day}/{run.number:04d}.csv"
    with TemporaryDirectory(prefix="booktape-compute-") as name:
        path = Path(name) / "computed.csv"
        markets = _write(context, source, base, run, path)
        if _newest(context, base, run) != read:
            raise Waiting(f"{base.name} {run.day} was published anew while {run.source} was computed of it")
        found = files.fingerprint(files.stream(path.as_uri()))
        context.store.upload(key, path)
    return results.Compute(
        url=f"{context.store.url}/{key}",
        of=read.source,
        run=read.number,
        of_sha256=manifest.required(context.store, read, results.Check).sha256,
        bytes=found.bytes,
        sha256=found.sha256,
        markets=markets,
    )


def _newest(context: Context, base: Source, run: Run) -> Run:
    """The run of the base whose files are read."""
    last = manifest.last(context.store, base.name, run.day)
    if last is not None and not manifest.has_ended(context.store, last):
        raise Waiting(f"{last} is under way; {run.source} is computed of it")
    found = base_rows.newest(context, base, run)
    if found is None:
        why = f"{last} is held or failed" if last is not None else f"there is no run of {base.name} on {run.day}"
        raise NotPublished(
            f"{why}, and {run.source} is computed of it: booktape status --source {base.name}; "
            f"once that is done, booktape nightly --day {run.day} --source {run.source}"
        )
    return found


def _write(context: Context, source: Source, base: Source, run: Run, path: Path) -> dict[str, int]:
    """Write the day's rows; how many there are of each market."""
    kind = source.kind
    assert kind is not None, "only computed data is computed"
    rows = (
        (market, kind.rows(_stretch(source, run, market, records), source.every))
        for market, records in base_rows.read(context, base, run)
    )
    return sorted_csv.write(kind.columns, kind.time, rows, path)


def _stretch(source: Source, run: Run, market: str, records: Iterable[Any]) -> Stretch:
    begin, checksum = midnight(run.day), exchange(source.exchange).book_checksum
    return Stretch(source.exchange, market, records, source.channel.rule, checksum, begin, begin + DAY)


def check_computed(context: Context, run: Run) -> results.Check:
    """Hold what was stored to what was computed, and say whether it may be published."""
    computed = manifest.required(context.store, run, results.Compute)
    version = files.version(computed.url, context.aws)
    if files.fingerprint(files.stream(computed.url)) != (computed.bytes, computed.sha256):
        raise FileChanged(
            f"{computed.url} is not the file that was computed: booktape republish {run.source} {run.day}"
        )
    previous = manifest.required(context.store, run, results.Start).previous
    rows = sum(computed.markets.values())
    base = f"{computed.of} run {computed.run}"
    return results.Check(
        rows=rows,
        bytes=computed.bytes,
        sha256=computed.sha256,
        rule=_RULE,
        completeness=None,
        markets={market: results.Market(count) for market, count in computed.markets.items()},
        held=None
        if rows
        else f"nothing can be computed of {base}; once that is republished: booktape republish {run.source} {run.day}",
        version=version,
        previous=previous,
        differs=previous.sha256 != computed.sha256 if previous is not None else None,
    )


def rename_computed(context: Context, run: Run) -> results.Rename:
    """Copy the file to the key under which it is published, with its hash beside it."""
    computed = manifest.required(context.store, run, results.Compute)
    return place(context, run, computed.url)
