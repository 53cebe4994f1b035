"""``booktape certificate`` and ``verify``: what a published day contains, and whether its files agree with that."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from booktape.cli.environment import ReaderSettings, reader_settings
from booktape.cli.options import AsJson, DayText, PublishedStorage, SourceName
from booktape.cli.terminal import out, print_json, print_line
from booktape.integrity import parquet_check, verify
from booktape.integrity.verify import Plain
from booktape.model.errors import BooktapeError
from booktape.publish import manifest
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


class NotVerifiedError(BooktapeError):
    """The file differs from its certificate."""


class NothingPublishedError(BooktapeError):
    """There is no such file or certificate."""


def certificate(
    source: SourceName, day: DayText, run: RunNumber = None, storage: PublishedStorage = None, as_json: AsJson = False
) -> None:
    """Show a day's certificate: what is missing, what was backfilled, what cannot be verified.

    A run that is held has a certificate too. --json prints it as it is stored.

    Example: booktape certificate binance-trades 2019-10-25
    """
    settings = reader_settings(storage)
    content = _certificate(settings, source, past_day(day), run)
    if as_json:
        typer.echo(content.decode(), nl=False)
        return
    _show(verify.parse_certificate(content))


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
    plain = verify.parse_certificate(
        content if content is not None else _published_certificate(settings, source, chosen, run)
    )
    found = list(_wrong_day(plain, source, chosen))
    found += verify.csv_differences(plain, _chunks(settings, source, chosen, run, file))
    if file is None:
        found += parquet_check.parquet_differences(plain, *_published(settings, source, chosen, run))
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
        _show(plain)
        out.print(f"verified: all of {plain['file']['rows']:,} rows are as the certificate says")


def _certificate(settings: ReaderSettings, source: str, day: date, number: int | None) -> bytes:
    """A run's certificate: from the runs' own storage, where held ones lie too, else from beside the published file."""
    store = open_store(settings.storage, make=False)
    run = Run(source, day, number) if number is not None else manifest.last(store, source, day)
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
        run = Run(source, day, number) if number is not None else manifest.last(store, source, day)
        computed = manifest.result(store, run, Compute) if run is not None else None
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


def _wrong_day(plain: Plain, source: str, day: date) -> Iterable[str]:
    if (plain.get("source"), plain.get("day")) != (source, str(day)):
        yield f"the certificate is of {plain.get('source')} {plain.get('day')}, not of {source} {day}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _show(plain: Plain) -> None:
    totals = plain["totals"]
    share = totals["share_present"]
    present = "unverifiable: " + str(plain["unverifiable"]) if share is None else f"{share} of the venue's numbers"
    head = f"{plain['source']} {plain['day']} ({plain['rule']}): {totals['rows']:,} rows, {present}"
    print_line(head)
    print_line(f"sha256 {plain['file']['sha256']}")
    table = Table("market", "rows", "missing", "edges", "void", "healed", "disagree", "down, s", "book", box=None)
    for name, market in plain["markets"].items():
        table.add_row(name, f"{market['rows']:,}", *_cells(market))
    out.print(table)
    for name, market in plain["markets"].items():
        numbers = market["numbers"]
        for first, last in numbers["ranges"] if numbers else []:
            print_line(f"{name}: missing {first}-{last}")
        for missing in _missing_at_edges(market):
            print_line(f"{name}: {missing}")
        for before, after in numbers["links"] if numbers else []:
            print_line(f"{name}: something is missing between {before} and {after}")


def _missing_at_edges(market: dict[str, Any]) -> Iterable[str]:
    """What is missing between the days. On a day without a number, both edges report the same."""
    start, end = ([] if edge == "unknown" else edge["ranges"] for edge in _edges(market))
    lost = market["numbers"] is not None and market["numbers"]["first"] is None
    before = ", between the days around this one" if lost else " before this day's first"
    for first, last in start:
        yield f"missing {first}-{last}{before}"
    for first, last in [] if lost else end:
        yield f"missing {first}-{last} after this day's last"


def _cells(market: dict[str, Any]) -> list[str]:
    numbers, book, agreement = market["numbers"], market["book"], market["agreement"]
    healed = market["healed"]
    edges = ["unknown" if edge == "unknown" else str(edge["missing"] + len(edge["links"])) for edge in _edges(market)]
    down = market["downtime"]
    unknown = "+?" if down["unknown_microseconds"] or down["silent_microseconds"] else ""
    return [
        market["unverifiable"] or f"{numbers['missing'] + len(numbers['links']):,}" if numbers else "unverifiable",
        "/".join(edges) if numbers else "",
        f"{market['void']['count']:,}",
        f"{healed['replica']:,} + {healed['rest']:,}",
        f"{agreement['disagree']:,}" if agreement else "",
        f"{down['down_microseconds'] // 1_000_000:,}{unknown}",
        _book_findings(book) if book else "",
    ]


def _edges(market: dict[str, Any]) -> list[Any]:
    return [market["edges"]["start"], market["edges"]["end"]]


def _book_findings(book: dict[str, Any]) -> str:
    parts = [f"{book['crossed']:,} crossed", f"{book['snapshots_differing']}/{book['snapshots_compared']} differ"]
    if book["checksums_checked"]:
        parts.append(f"{book['checksums_failed']:,}/{book['checksums_checked']:,} checksums failed")
    return ", ".join(parts)
