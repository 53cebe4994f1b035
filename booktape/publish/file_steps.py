"""The steps that make the file of recorded data: backfill, merge, check, rename. None of them is irreversible."""

from collections.abc import Callable
from hashlib import sha256

from booktape.exchanges import exchange
from booktape.integrity import csv_check
from booktape.merge import Merge, MergeFailedError, MergeInterruptedError, NothingToMergeError, epochs
from booktape.model.records import BOOK_UPDATES, TRADES
from booktape.publish import files, manifest, results
from booktape.publish.context import Context
from booktape.publish.files import FileChangedError
from booktape.publish.results import name_of
from booktape.publish.retries import GateFailedError, WaitingError
from booktape.publish.sources import DataSource
from booktape.store import objects
from booktape.store.layout import Run, hash_key, published_certificate_key, published_key


def is_backfilled(source: DataSource) -> bool:
    """Whether missing records of a source can be fetched: trades of a venue that serves past trades by id."""
    return source.data_type == TRADES and exchange(source.exchange).rest.trades is not None


def backfill(context: Context, run: Run) -> results.Heal:
    """Fetch missing trades, as far as the venue serves them. Trades that it does not serve do not fail the step.

    Runs of the same request (the sources of a night, or a republication) share one quota for each exchange.

    Raises :class:`~booktape.model.errors.TransientError` if the stores do not answer.
    """
    if context.backfiller is None:
        return results.Heal({}, "backfill is off (BOOKTAPE_HEAL)")
    request = manifest.require_result(context.store, run, results.Start).request
    found = context.backfiller(context.source(run.source).exchange, run.day, request)
    return results.Heal(found.markets, found.why)


def merge(context: Context, run: Run) -> results.MergeResult:
    """Merge all systems' records of the day.

    Raises :class:`WaitingError` while the query runs, and :class:`GateFailedError` if nothing was recorded. A query
    that broke is recorded as an attempt, and the next call starts another one.
    """
    source = context.source(run.source)
    step = name_of(results.MergeResult)
    attempt = len(manifest.read_attempts(context.store, run, step)) + 1
    token = sha256(f"{context.store.url} {run} {attempt}".encode()).hexdigest()
    try:
        query = manifest.read_query(context.store, run, step, attempt)
        if query is None:
            query = context.engine.start(Merge(source.exchange, source.data_type, run.day), token)
            manifest.record_query(context.store, run, step, attempt, query)
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
    """Read the merged file from end to end, and decide whether it may be published."""
    source = context.source(run.source)
    url = manifest.require_result(context.store, run, results.MergeResult).url
    rule = source.channel.rule
    version = files.version(url, context.aws)
    found = csv_check.read_csv(
        objects.stream_file(url),
        source.data_type,
        rule,
        exchange=source.exchange,
        times=csv_check.valid_times(source.data_type, run.day),
        epochs=_epoch_starts(context, source, run),
    )
    if files.version(url, context.aws) != version:
        raise FileChangedError(f"{url} changed while it was read")
    previous = manifest.require_result(context.store, run, results.Start).previous
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


def _epoch_starts(context: Context, source: DataSource, run: Run) -> dict[str, list[int]]:
    """The times (µs) at which each market's ids were reset within the day: an id may occur once in each epoch."""
    if source.data_type != TRADES:
        return {}
    resets = epochs.resets_of_day(context.engine.systems, Merge(source.exchange, source.data_type, run.day))
    return {market: [reset.high for reset in found] for market, found in resets.items()}


def require_passed_check(context: Context, run: Run) -> results.Check:
    """The check's result. Raises :class:`GateFailedError` if the file must not be published."""
    checked = manifest.require_result(context.store, run, results.Check)
    if checked.held is not None:
        raise GateFailedError(checked.held)
    return checked


def rename(context: Context, run: Run) -> results.Rename:
    """Copy the checked file to its published key, with its certificate and its hash beside it."""
    merged = manifest.require_result(context.store, run, results.MergeResult)
    certificate = published_certificate_key(run)
    return publish_file(context, run, merged.url, lambda: _publish_certificate(context, run, certificate))


def publish_file(
    context: Context, run: Run, url: str, publish_certificate: Callable[[], str | None] = lambda: None
) -> results.Rename:
    """Copy the checked file at a URL to its published key, with its hash beside it.

    :param publish_certificate: called before the hash is written; returns the certificate's URL.

    Raises :class:`~booktape.publish.files.FileChangedError` if another file has the published key.
    """
    checked, key = require_passed_check(context, run), published_key(run)
    files.copy(url, checked.version, context.publication, key, context.aws)
    copied = objects.fingerprint(context.publication.stream(key))
    published = f"{context.publication.url}/{key}"
    if copied != (checked.bytes, checked.sha256):
        raise FileChangedError(f"{published} is not the file that was checked; it is left as it is")
    certificate = publish_certificate()
    context.publication.create(hash_key(key), f"{checked.sha256}  {key.rpartition('/')[2]}\n".encode())
    return results.Rename(published, files.version(published, context.aws), certificate)


def _publish_certificate(context: Context, run: Run, key: str) -> str:
    """Copy the run's certificate to a published key. Returns its URL."""
    certified = manifest.require_result(context.store, run, results.Certify)
    content = context.store.read(certified.key)
    context.publication.create(key, content)
    for place, found in ((f"{context.store.url}/{certified.key}", content), (key, context.publication.read(key))):
        if sha256(found).hexdigest() != certified.sha256:
            raise FileChangedError(f"{place} is not the certificate that was written for {run}; it is left as it is")
    return f"{context.publication.url}/{key}"
