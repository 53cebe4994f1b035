"""The steps that make the file: merge, check, rename. All of them can be taken back, as the certificate can."""

from collections.abc import Callable
from hashlib import sha256

from booktape.core.records import BOOK_UPDATES, TRADES
from booktape.merge import Merge, MergeFailed, MergeInterrupted, NothingToMerge, eras
from booktape.publish import check, files, manifest, results
from booktape.publish.context import Context
from booktape.publish.errors import Held, Waiting
from booktape.publish.files import FileChanged
from booktape.publish.results import name_of
from booktape.publish.sources import Run, Source


def merge(context: Context, run: Run) -> results.Merge:
    """Merge both systems' records of the day.

    Raises :class:`Waiting` while the query runs and :class:`Held` where nothing was recorded. A query that broke is
    not asked for again: the next call starts another one.
    """
    source = context.source(run.source)
    step = name_of(results.Merge)
    attempt = len(manifest.attempts(context.store, run, step)) + 1
    token = sha256(f"{context.store.url} {run} {attempt}".encode()).hexdigest()
    try:
        query = manifest.query(context.store, run, step, attempt)
        if query is None:
            query = context.engine.start(Merge(source.exchange, source.data_type, run.day), token)
            manifest.record_query(context.store, run, step, attempt, query)
        merged = context.engine.poll(query)
    except NothingToMerge as error:
        raise Held(_with_next_step(str(error), run)) from error
    except (MergeFailed, MergeInterrupted) as error:
        manifest.record_attempt(context.store, run, step, attempt, results.Attempt(str(error)))
        raise
    if merged is None:
        raise Waiting(f"query {query} is running")
    return results.Merge(query, merged.url)


def check_file(context: Context, run: Run) -> results.Check:
    """Read the merged file from end to end, and say whether it may be published."""
    source = context.source(run.source)
    url = manifest.required(context.store, run, results.Merge).url
    rule = source.channel.rule
    version = files.version(url, context.aws)
    found = check.read(
        files.stream(url),
        source.data_type,
        rule,
        exchange=source.exchange,
        times=check.times_of(source.data_type, run.day),
        eras=_eras(context, source, run),
    )
    if files.version(url, context.aws) != version:
        raise FileChanged(f"{url} changed while it was read")
    previous = manifest.required(context.store, run, results.Start).previous
    held = _why_held(source, found)
    return results.Check(
        rows=found.rows,
        bytes=found.bytes,
        sha256=found.sha256,
        rule=rule,
        completeness=found.completeness,
        markets=found.markets,
        held=_with_next_step(held, run) if held is not None else None,
        version=version,
        previous=previous,
        differs=previous.sha256 != found.sha256 if previous is not None else None,
    )


def _why_held(source: Source, found: check.Findings) -> str | None:
    if found.rows == 0:
        return "the merged file has no rows"
    if found.updates == 0 and BOOK_UPDATES in source.channel.data_types:
        return "the book has snapshots only, not one update"
    return None


def _with_next_step(why: str, run: Run) -> str:
    return f"{why}; once the recordings are healed: booktape republish {run.source} {run.day}"


def _eras(context: Context, source: Source, run: Run) -> dict[str, list[int]]:
    """From when on (µs) each market's ids begin anew, where they do: then one may be there twice."""
    if source.data_type != TRADES:
        return {}
    restarts = eras.of_day(context.engine.systems, Merge(source.exchange, source.data_type, run.day))
    return {market: [restart.high for restart in told] for market, told in restarts.items()}


def sound(context: Context, run: Run) -> results.Check:
    """What the check found. Raises :class:`Held` if the file must not be published."""
    checked = manifest.required(context.store, run, results.Check)
    if checked.held is not None:
        raise Held(checked.held)
    return checked


def rename(context: Context, run: Run) -> results.Rename:
    """Copy the checked file to the key under which it is published, with its hash and its certificate beside it."""
    merged = manifest.required(context.store, run, results.Merge)
    certificate = published_key(run).removesuffix(".csv") + ".certificate.json"
    return place(context, run, merged.url, lambda: _place_certificate(context, run, certificate))


def place(context: Context, run: Run, url: str, beside: Callable[[], str | None] = lambda: None) -> results.Rename:
    """Copy the checked file at a URL to the key under which it is published, with its hash beside it.

    :param beside: places the certificate, before the hash; its URL.
    """
    checked, key = sound(context, run), published_key(run)
    files.copy(url, checked.version, context.publication, key, context.aws)
    copied = files.fingerprint(context.publication.stream(key))
    placed = f"{context.publication.url}/{key}"
    if copied != (checked.bytes, checked.sha256):
        raise FileChanged(f"{placed} is not the file that was checked; it is left as it is")
    certificate = beside()
    context.publication.create(f"{key}.sha256", f"{checked.sha256}  {key.rpartition('/')[2]}\n".encode())
    return results.Rename(placed, files.version(placed, context.aws), certificate)


def _place_certificate(context: Context, run: Run, key: str) -> str:
    """Copy the run's certificate beside its file; its URL."""
    certified = manifest.required(context.store, run, results.Certify)
    content = context.store.read(certified.key)
    context.publication.create(key, content)
    for place, held in ((f"{context.store.url}/{certified.key}", content), (key, context.publication.read(key))):
        if sha256(held).hexdigest() != certified.sha256:
            raise FileChanged(f"{place} is not the certificate that was written for {run}; it is left as it is")
    return f"{context.publication.url}/{key}"


def published_key(run: Run) -> str:
    """``published/{source}/{YYYY}/{MM}/{DD}/{source}_{YYYY-MM-DD}_run{n}.csv``"""
    return f"published/{run.source}/{run.day:%Y/%m/%d}/{run.source}_{run.day}_run{run.number}.csv"
