"""The steps that make the file: merge, check, rename. All of them can be taken back, as the certificate can."""

from collections.abc import Callable
from hashlib import sha256

from booktape.integrity import csv_check
from booktape.merge import Merge, MergeFailedError, MergeInterruptedError, NothingToMergeError, epochs
from booktape.model.records import BOOK_UPDATES, TRADES
from booktape.publish import files, manifest, results
from booktape.publish.context import Context
from booktape.publish.errors import GateFailedError, WaitingError
from booktape.publish.files import FileChangedError
from booktape.publish.results import name_of
from booktape.publish.sources import DataSource
from booktape.store import objects
from booktape.store.layout import Run, hash_key, published_certificate_key, published_key


def merge(context: Context, run: Run) -> results.MergeResult:
    """Merge both systems' records of the day.




    Raises :class:`WaitingError` while the query runs and :class:`GateFailedError` where nothing was recorded. A
    query that broke is
    not asked for again: the next call starts another one.
    """
    source = context.source(run.source)
    step = name_of(results.MergeResult)
    attempt = len(manifest.attempts(context.store, run, step)) + 1
    token = sha256(f"{context.store.url} {run} {attempt}".encode()).hexdigest()
    try:
        query = manifest.merge_query(context.store, run, step, attempt)
        if query is None:
            query = context.engine.start(Merge(source.exchange, source.data_type, run.day), token)
            manifest.record_merge_query(context.store, run, step, attempt, query)
        merged = context.engine.poll(query)
    except NothingToMergeError as error:
        raise GateFailedError(_with_next_step(str(error), run)) from error
    except (MergeFailedError, MergeInterruptedError) as error:
        manifest.record_attempt(context.store, run, step, attempt, results.Attempt(str(error)))
        raise
    if merged is None:
        raise WaitingError(f"query {query} is running")
    return results.MergeResult(query, merged.url)


def check_file(context: Context, run: Run) -> results.Check:
    """Read the merged file from end to end, and say whether it may be published."""
    source = context.source(run.source)
    url = manifest.required(context.store, run, results.MergeResult).url
    rule = source.channel.rule
    version = files.version(url, context.aws)
    found = csv_check.read_csv(
        objects.stream_file(url),
        source.data_type,
        rule,
        exchange=source.exchange,
        times=csv_check.valid_times(source.data_type, run.day),
        epochs=_epochs(context, source, run),
    )
    if files.version(url, context.aws) != version:
        raise FileChangedError(f"{url} changed while it was read")
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


def _why_held(source: DataSource, found: csv_check.CsvFindings) -> str | None:
    if found.rows == 0:
        return "the merged file has no rows"
    if found.updates == 0 and BOOK_UPDATES in source.channel.data_types:
        return "the book has snapshots only, not one update"
    return None


def _with_next_step(why: str, run: Run) -> str:
    return f"{why}; once the recordings are healed: booktape republish {run.source} {run.day}"


def _epochs(context: Context, source: DataSource, run: Run) -> dict[str, list[int]]:
    """From when on (µs) each market's ids begin anew, where they do: then one may be there twice."""
    if source.data_type != TRADES:
        return {}
    restarts = epochs.resets_of_day(context.engine.systems, Merge(source.exchange, source.data_type, run.day))
    return {market: [restart.high for restart in told] for market, told in restarts.items()}


def sound(context: Context, run: Run) -> results.Check:
    """What the check found. Raises :class:`GateFailedError` if the file must not be published."""
    checked = manifest.required(context.store, run, results.Check)
    if checked.held is not None:
        raise GateFailedError(checked.held)
    return checked


def rename(context: Context, run: Run) -> results.Rename:
    """Copy the checked file to the key under which it is published, with its hash and its certificate beside it."""
    merged = manifest.required(context.store, run, results.MergeResult)
    certificate = published_certificate_key(run)
    return place_file(context, run, merged.url, lambda: _place_certificate(context, run, certificate))


def place_file(context: Context, run: Run, url: str, beside: Callable[[], str | None] = lambda: None) -> results.Rename:
    """Copy the checked file at a URL to the key under which it is published, with its hash beside it.

    :param beside: places the certificate, before the hash; its URL.
    """
    checked, key = sound(context, run), published_key(run)
    files.copy(url, checked.version, context.publication, key, context.aws)
    copied = objects.fingerprint(context.publication.stream(key))
    placed = f"{context.publication.url}/{key}"
    if copied != (checked.bytes, checked.sha256):
        raise FileChangedError(f"{placed} is not the file that was checked; it is left as it is")
    certificate = beside()
    context.publication.create(hash_key(key), f"{checked.sha256}  {key.rpartition('/')[2]}\n".encode())
    return results.Rename(placed, files.version(placed, context.aws), certificate)


def _place_certificate(context: Context, run: Run, key: str) -> str:
    """Copy the run's certificate beside its file; its URL."""
    certified = manifest.required(context.store, run, results.Certify)
    content = context.store.read(certified.key)
    context.publication.create(key, content)
    for place, held in ((f"{context.store.url}/{certified.key}", content), (key, context.publication.read(key))):
        if sha256(held).hexdigest() != certified.sha256:
            raise FileChangedError(f"{place} is not the certificate that was written for {run}; it is left as it is")
    return f"{context.publication.url}/{key}"
