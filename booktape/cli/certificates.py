"""``booktape certificate`` and ``verify``: what a published day contains, and whether its files agree with that."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from booktape.cli.environment import ReaderSettings, reader_settings
from booktape.cli.options import AsJson, DayText, PublishedStorage, SourceName
from booktape.cli.terminal import out, print_json, print_line
from booktape.integrity.certificate import BookCheck, Certificate, MarketCertificate
from booktape.integrity.certificate_reader import parse_certificate
from booktape.integrity.parquet_check import parquet_differences
from booktape.integrity.verify import csv_differences
from booktape.model.errors import BooktapeError, DataError, NotAvailableError
from booktape.publish import lifecycle, manifest
from booktape.publish.days import past_day
from booktape.publish.results import Compute
from booktape.store import objects
from booktape.store.layout import (
    InvalidKeyError,
    Run,
    certificate_beside,
    certificate_key,
    parse_published_key,
    published_day_prefix,
    published_key,
    published_prefix,
)
from booktape.store.objects import ObjectNotFoundError, Store, open_store

RunNumber = Annotated[int | None, typer.Option("--run", min=1, help="The run. Default: the day's last.")]


class NotVerifiedError(DataError):
    """The file differs from its certificate."""


class NothingPublishedError(NotAvailableError):
    """There is no such file or certificate."""


def certificate(
    source: SourceName, day: DayText, run: RunNumber = None, storage: PublishedStorage = None, as_json: AsJson = False
) -> None:
    """Show a day's certificate: what is missing, what was backfilled, what cannot be verified.

    A run that is held has a certificate too. --json prints all of it, in format 2; one that is stored in format 1 is
    converted.

    Example: booktape certificate binance-trades 2019-10-25
    """
    settings = reader_settings(storage)
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
    storage: PublishedStorage = None,
    as_json: AsJson = False,
) -> None:
    """Compare a published day with its certificate: recompute all that the files show, print every difference.

    The exit status is 1 if there is a difference. Without --file, the Parquet file beside the CSV is compared too. With
    both --file and --certificate, nothing else is read.

    Example: booktape verify binance-trades 2019-10-25 --file binance-trades_2019-10-25_run1.csv
    """
    settings, chosen = reader_settings(storage), past_day(day)
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
            print_line(difference)
    if found:
        raise NotVerifiedError(
            f"{source} {chosen} is not what its certificate says: {_count(len(found), 'difference')}"
        )
    if not as_json:
        _show(certified)
        out.print(f"verified: all of {certified.file.rows:,} rows are as the certificate says")


def _certificate(settings: ReaderSettings, source: str, day: date, number: int | None) -> bytes:
    """A run's certificate: from the runs' own storage, where held ones lie too, else from beside the published file."""
    store = open_store(settings.storage, make=False)
    run = Run(source, day, number) if number is not None else lifecycle.last_run(store, source, day)
    if run is not None:
        try:
            return store.read(certificate_key(run))
        except ObjectNotFoundError:
            pass
    return _published_certificate(settings, source, day, number)


def _published_certificate(settings: ReaderSettings, source: str, day: date, number: int | None) -> bytes:
    store, key = _published(settings, source, day, number)
    try:
        return store.read(certificate_beside(key))
    except ObjectNotFoundError as error:
        raise NothingPublishedError(f"{error}; {_why_none(settings, source, day, number)}") from error


def _why_none(settings: ReaderSettings, source: str, day: date, number: int | None) -> str:
    """Why a published file has no certificate, from the manifest of its run."""
    with suppress(BooktapeError):  # the recordings need not be at hand
        store = open_store(settings.storage, make=False)
        run = Run(source, day, number) if number is not None else lifecycle.last_run(store, source, day)
        computed = manifest.read_result(store, run, Compute) if run is not None else None
        if computed is not None:
            return f"computed data has none of its own, see that of {computed.of}"
    return "a day that was published before there were certificates has none"


def _published(settings: ReaderSettings, source: str, day: date, number: int | None) -> tuple[Store, str]:
    """Where a day's file is published: that of a run, else the last one that there is."""
    store = open_store(settings.publication_url, make=False)
    if number is None:
        numbers = list(_published_runs(store, source, day))
        if not numbers:
            known = ", ".join(store.folders(published_prefix())) or "none"
            raise NothingPublishedError(f"{store.url} has no {source} of {day}; published sources: {known}")
        number = max(numbers)
    return store, published_key(Run(source, day, number))


def _published_runs(store: Store, source: str, day: date) -> Iterator[int]:
    for item in store.objects(published_day_prefix(source, day)):
        try:
            yield parse_published_key(item.key).number
        except InvalidKeyError:  # one of the files beside a CSV
            continue


def _chunks(
    settings: ReaderSettings, source: str, day: date, number: int | None, file: Path | None
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
    print_line(head)
    print_line(f"sha256 {certified.file.sha256}")
    table = Table("market", "rows", "missing", "edges", "burned", "recovered", "variants", "down, s", "book", box=None)
    for name, market in certified.markets.items():
        table.add_row(name, f"{market.rows:,}", *_cells(market))
    out.print(table)
    for name, market in certified.markets.items():
        for line in _missing(market):
            print_line(f"{name}: {line}")


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
        _book_findings(market.book) if market.book is not None else "",
    ]


def _book_findings(book: BookCheck) -> str:
    parts = [f"{book.crossed:,} crossed", f"{book.snapshots_differing}/{book.snapshots_compared} differ"]
    if book.checksums_checked:
        parts.append(f"{book.checksums_failed:,}/{book.checksums_checked:,} checksums failed")
    return ", ".join(parts)
