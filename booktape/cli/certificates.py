"""``booktape certificate``, ``verify`` and ``release``: what a published day contains, and holding it to that."""

import getpass
import socket
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from kombu.exceptions import OperationalError
from rich.table import Table

from booktape.cli.terminal import AsJson, out, print_json
from booktape.integrity import parquet_check, verify
from booktape.integrity.verify import Plain
from booktape.model.errors import BooktapeError
from booktape.publish import manifest
from booktape.publish.errors import GateFailedError
from booktape.publish.executor import past_day, run_chain
from booktape.publish.release import release_held_run, require_releasable, run_to_release
from booktape.publish.sources import base_of
from booktape.store import objects
from booktape.store.layout import (
    InvalidKeyError,
    Run,
    certificate_beside,
    certificate_key,
    parse_published_key,
    published_day_prefix,
    published_key,
)
from booktape.store.objects import ObjectNotFoundError, Store, open_store
from config.context import open_context
from config.settings import Settings, load_settings, require_primary
from config.sources import load_sources

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

    The certificate of a run that is held can be read as well. --json prints it as it is stored.

    Example: booktape certificate binance-trades 2019-10-25
    """
    settings = _settings(storage)
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
            out.print(difference, highlight=False, soft_wrap=True, markup=False)
    if found:
        raise NotVerifiedError(
            f"{source} {chosen} is not what its certificate says: {_count(len(found), 'difference')}"
        )
    if not as_json:
        _show(plain)
        out.print(f"verified: all of {plain['file']['rows']:,} rows are as the certificate says")


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


def _tell(as_json: bool, plain: Plain, text: str) -> None:
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
        return store.read(certificate_beside(key))
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
        numbers = list(_published_runs(store, source, day))
        if not numbers:
            known = ", ".join(sorted(load_sources(settings.sources)))
            raise NothingPublishedError(f"{store.url} has no {source} of {day}; there are the sources {known}")
        number = max(numbers)
    return store, published_key(Run(source, day, number))


def _published_runs(store: Store, source: str, day: date) -> Iterator[int]:
    for item in store.objects(published_day_prefix(source, day)):
        try:
            yield parse_published_key(item.key).number
        except InvalidKeyError:  # one of the files beside a CSV
            continue


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


def _wrong_day(plain: Plain, source: str, day: date) -> Iterable[str]:
    if (plain.get("source"), plain.get("day")) != (source, str(day)):
        yield f"the certificate is of {plain.get('source')} {plain.get('day')}, not of {source} {day}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _show(plain: Plain) -> None:
    totals = plain["totals"]
    share = totals["share_present"]
    told = "unverifiable: " + str(plain["unverifiable"]) if share is None else f"{share} of the venue's numbers"
    head = f"{plain['source']} {plain['day']} ({plain['rule']}): {totals['rows']:,} rows, {told}"
    out.print(head, highlight=False, soft_wrap=True)
    out.print(f"sha256 {plain['file']['sha256']}", highlight=False, soft_wrap=True)
    table = Table("market", "rows", "missing", "edges", "void", "healed", "disagree", "down, s", "book", box=None)
    for name, market in plain["markets"].items():
        table.add_row(name, f"{market['rows']:,}", *_cells(market))
    out.print(table)
    for name, market in plain["markets"].items():
        numbers = market["numbers"]
        for first, last in numbers["ranges"] if numbers else []:
            out.print(f"{name}: missing {first}-{last}", highlight=False, soft_wrap=True)
        for missing in _told_of_edges(market):
            out.print(f"{name}: {missing}", highlight=False, soft_wrap=True)
        for before, after in numbers["links"] if numbers else []:
            out.print(f"{name}: something is missing between {before} and {after}", highlight=False, soft_wrap=True)


def _told_of_edges(market: dict[str, Any]) -> Iterable[str]:
    """What is missing between the days; of a day without a number both edges tell the same."""
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
        _told_of_book(book) if book else "",
    ]


def _edges(market: dict[str, Any]) -> list[Any]:
    return [market["edges"]["start"], market["edges"]["end"]]


def _told_of_book(book: dict[str, Any]) -> str:
    parts = [f"{book['crossed']:,} crossed", f"{book['snapshots_differing']}/{book['snapshots_compared']} differ"]
    if book["checksums_checked"]:
        parts.append(f"{book['checksums_failed']:,}/{book['checksums_checked']:,} checksums failed")
    return ", ".join(parts)
