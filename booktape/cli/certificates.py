"""``booktape certificate``, ``verify`` and ``release``: what a published day contains, and holding it to that."""

import getpass
import re
import socket
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from kombu.exceptions import OperationalError
from rich.table import Table

from booktape.cli.terminal import AsJson, out, print_json
from booktape.integrity.certificate import BookCheck, Certificate, MarketCertificate, parse_certificate
from booktape.integrity.parquet_check import parquet_differences
from booktape.integrity.verify import csv_differences
from booktape.model.errors import BooktapeError
from booktape.publish import manifest
from booktape.publish.certify_step import certificate_key
from booktape.publish.errors import GateFailedError
from booktape.publish.executor import past_day, run_chain
from booktape.publish.file_steps import published_key
from booktape.publish.release import release_held_run, require_releasable, run_to_release
from booktape.publish.sources import Run, base_of
from booktape.store import objects
from booktape.store.objects import ObjectNotFoundError, Store, open_store
from config.context import open_context
from config.settings import Settings, load_settings, require_primary
from config.sources import load_sources

_RUN = re.compile(r"_run(\d+)\.csv")

SourceName = Annotated[str, typer.Argument(help="A data source, as binance-trades.")]
DayText = Annotated[str, typer.Argument(help="A day, as 2019-10-25.")]
RunNumber = Annotated[int | None, typer.Option("--run", min=1, help="The run. Default: the day's last.")]
Storage = Annotated[str | None, typer.Option("--storage", help="Instead of BOOKTAPE_STORAGE and BOOKTAPE_PUBLISH.")]


class NotVerifiedError(BooktapeError):
    """The file is not what its certificate says."""


class NothingPublishedError(BooktapeError):
    """No such file or certificate."""


def certificate(
    source: SourceName, day: DayText, run: RunNumber = None, storage: Storage = None, as_json: AsJson = False
) -> None:
    """Show what a day's certificate says: what is missing, what was healed, what nobody can verify.

    The certificate of a run that is held can be read as well. --json prints all of it, in format 2; a stored one of
    format 1 is converted.

    Example: booktape certificate binance-trades 2019-10-25
    """
    settings = _settings(storage)
    found = parse_certificate(_certificate(settings, source, past_day(day), run))
    if as_json:
        typer.echo(found.encode().decode(), nl=False)
        return
    _show(found)


def check_day(
    source: SourceName,
    day: DayText,
    file: Annotated[Path | None, typer.Option("--file", help="The CSV file. Default: the published one.")] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="The certificate. Default: the one beside the published file.")
    ] = None,
    run: RunNumber = None,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Hold a published day to its certificate: recompute all that the files can tell, and name every difference.

    Ends with status 1 where there is one. Without --file the Parquet beside the CSV is held to it too. With both --file
    and --certificate, nothing else is read.

    Example: booktape verify binance-trades 2019-10-25 --file binance-trades_2019-10-25_run1.csv
    """
    settings, chosen = _settings(storage), past_day(day)
    content = _local(certificate) if certificate is not None else None
    certified = parse_certificate(
        content if content is not None else _published_certificate(settings, source, chosen, run)
    )
    found = list(_wrong_day(certified, source, chosen))
    found += csv_differences(certified, _chunks(settings, source, chosen, run, file))
    if file is None:
        found += parquet_differences(certified, *_published(settings, source, chosen, run))
    if as_json:
        print_json({"source": source, "day": str(chosen), "verified": not found, "differences": found})
    else:
        for difference in found:
            out.print(difference, highlight=False, soft_wrap=True, markup=False)
    if found:
        raise NotVerifiedError(
            f"{source} {chosen} is not what its certificate says: {_count(len(found), 'difference')}"
        )
    if not as_json:
        _show(certified)
        out.print(f"verified: all of {certified.file.rows:,} rows are as the certificate says")


def release_run(
    source: SourceName,
    day: DayText,
    reason: Annotated[str, typer.Option("--reason", help="Why. It stands in the run's manifest for good.")],
    run: Annotated[int | None, typer.Option("--run", min=1, help="Default: the day's newest held run.")] = None,
    now: Annotated[bool, typer.Option("--now", help="Do it in this process instead of enqueueing it.")] = False,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Publish a day all the same that is held because too much is missing of it: its source's threshold, nothing else.

    The certificate stays as it is, and says what is missing.

    Example: booktape release binance-trades 2019-10-25 --run 1 --reason 'the venue was down from 10:00 to 10:30'
    """
    settings, past = _settings(storage), past_day(day)
    require_primary(settings)
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    context = open_context(settings)
    held = run_to_release(context.store, context.source(source).name, past, run)
    require_releasable(context.store, held, who, reason)
    if now:
        release_held_run(context.store, held, who, reason)
        _run_on(settings, held)
        _tell(as_json, {"run": str(held), "released": True}, f"{held} is released and done")
        return
    task = _enqueue(settings, held, who, reason)
    told = f"enqueued as task {task}, which releases {held}; `booktape status` tells how it stands"
    _tell(as_json, {"task": task, "run": str(held)}, told)


def _run_on(settings: Settings, run: Run) -> None:
    try:
        run_chain(open_context(settings), run.source, run.day, run.number, patience=settings.patience)
    except GateFailedError as error:
        raise NotVerifiedError(f"{run} is held: {error}") from error


def _tell(as_json: bool, plain: dict[str, Any], text: str) -> None:
    if as_json:
        print_json(plain)
    else:
        out.print(text, highlight=False, soft_wrap=True)


def _enqueue(settings: Settings, run: Run, who: str, why: str) -> str:
    from tasks import app  # here, since it reads the whole configuration

    arguments = [run.source, str(run.day), run.number, who, why]
    try:
        sent = app.send_task("tasks.nightly.release", args=arguments, retry=False)
    except OperationalError as error:
        raise BooktapeError(
            f"Redis at {settings.redis_url} is not reachable ({error}); start it, set REDIS_URL, or use --now"
        ) from error
    return str(sent.id)


def _settings(storage: str | None) -> Settings:
    return load_settings().model_copy(update={} if storage is None else {"storage": storage, "publish": None})


def _certificate(settings: Settings, source: str, day: date, number: int | None) -> bytes:
    """A run's certificate: from the runs' own storage, where held ones lie too, else from beside the published file."""
    store = open_store(settings.storage, make=False)
    run = Run(source, day, number) if number is not None else manifest.last(store, source, day)
    if run is not None:
        try:
            return store.read(certificate_key(run))
        except ObjectNotFoundError:
            pass
    return _published_certificate(settings, source, day, number)


def _published_certificate(settings: Settings, source: str, day: date, number: int | None) -> bytes:
    store, key = _published(settings, source, day, number)
    try:
        return store.read(key.removesuffix(".csv") + ".certificate.json")
    except ObjectNotFoundError as error:
        raise NothingPublishedError(f"{error}; {_why_none(settings, source)}") from error


def _why_none(settings: Settings, source: str) -> str:
    sources = load_sources(settings.sources)
    found = sources.get(source)
    if found is not None and found.kind is not None:
        return f"computed data has none of its own, see that of {base_of(found, sources).name}"
    return "a day that was published before there were certificates has none"


def _published(settings: Settings, source: str, day: date, number: int | None) -> tuple[Store, str]:
    """Where a day's file is published: that of a run, else the last one that there is."""
    store = open_store(settings.publication_url, make=False)
    if number is None:
        prefix = published_key(Run(source, day, 1)).rpartition("/")[0]
        numbers = [int(found[1]) for item in store.objects(prefix) if (found := _RUN.search(item.key))]
        if not numbers:
            known = ", ".join(sorted(load_sources(settings.sources)))
            raise NothingPublishedError(f"{store.url} has no {source} of {day}; there are the sources {known}")
        number = max(numbers)
    return store, published_key(Run(source, day, number))


def _chunks(
    settings: Settings, source: str, day: date, number: int | None, file: Path | None
) -> Callable[[], Iterable[bytes]]:
    if file is not None:
        if not file.is_file():
            raise NothingPublishedError(f"there is no file {file}")
        return lambda: objects.stream_file(file.absolute().as_uri())
    store, key = _published(settings, source, day, number)
    return lambda: store.stream(key)


def _local(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NothingPublishedError(f"{path} cannot be read: {error.strerror}") from error


def _wrong_day(certified: Certificate, source: str, day: date) -> Iterable[str]:
    if (certified.source, certified.day) != (source, day):
        yield f"the certificate is of {certified.source} {certified.day}, not of {source} {day}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _show(certified: Certificate) -> None:
    share = certified.totals.share_present
    verified = f"unverifiable: {certified.unverifiable}" if share is None else f"{share} of the venue's ids"
    head = f"{certified.source} {certified.day} ({certified.rule}): {certified.totals.rows:,} rows, {verified}"
    out.print(head, highlight=False, soft_wrap=True)
    out.print(f"sha256 {certified.file.sha256}", highlight=False, soft_wrap=True)
    table = Table("market", "rows", "missing", "edges", "burned", "recovered", "variants", "down, s", "book", box=None)
    for name, market in certified.markets.items():
        table.add_row(name, f"{market.rows:,}", *_cells(market))
    out.print(table)
    for name, market in certified.markets.items():
        for line in _missing(market):
            out.print(f"{name}: {line}", highlight=False, soft_wrap=True)


def _missing(market: MarketCertificate) -> Iterable[str]:
    sequence = market.sequence
    if sequence is None:
        return
    for first, last in sequence.missing_ids:
        yield f"missing {first}-{last}"
    start, end = ([] if edge is None else edge.missing_ids for edge in (market.edges.start, market.edges.end))
    is_lost = sequence.first is None  # then both edges have the same ids
    before = ", between the days around this one" if is_lost else " before this day's first"
    for first, last in start:
        yield f"missing {first}-{last}{before}"
    for first, last in [] if is_lost else end:
        yield f"missing {first}-{last} after this day's last"
    for first, last in sequence.broken_links:
        yield f"something is missing between {first} and {last}"


def _cells(market: MarketCertificate) -> list[str]:
    sequence, downtime = market.sequence, market.downtime
    edges = [
        "unknown" if edge is None else str(edge.missing + len(edge.broken_links))
        for edge in (market.edges.start, market.edges.end)
    ]
    unknown = "+?" if downtime.unknown_microseconds or downtime.silent_microseconds else ""
    missing = f"{sequence.missing + len(sequence.broken_links):,}" if sequence is not None else "unverifiable"
    return [
        market.unverifiable or missing if sequence is not None else missing,
        "/".join(edges) if sequence is not None else "",
        f"{market.burned_ids.count:,}",
        f"{market.recovered.replica:,} + {market.recovered.rest:,}",
        f"{market.agreement.variants:,}" if market.agreement is not None else "",
        f"{downtime.down_microseconds // 1_000_000:,}{unknown}",
        _describe(market.book) if market.book is not None else "",
    ]


def _describe(book: BookCheck) -> str:
    parts = [f"{book.crossed:,} crossed", f"{book.snapshots_differing}/{book.snapshots_compared} differ"]
    if book.checksums_checked:
        parts.append(f"{book.checksums_failed:,}/{book.checksums_checked:,} checksums failed")
    return ", ".join(parts)
