"""Recomputing a certificate from the published file alone, as a buyer does it.

The file is read once from end to end; everything that a certificate says of it is computed anew and compared. What only
the recordings can tell (who had what, when nobody listened) is held against itself where that is possible.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any

from msgspec import DecodeError, json

from booktape.exchanges import exchange
from booktape.integrity import certificate_schema, csv_check
from booktape.integrity.book_audit import Crossed
from booktape.integrity.certificate import CERTIFICATE_FORMAT
from booktape.integrity.certificate_rules import contradictions
from booktape.integrity.csv_check import CsvFindings, EraIds, InvalidFileError
from booktape.model.csv import COLUMNS
from booktape.model.errors import BooktapeError
from booktape.model.id_sets import Range, difference, id_set, named_ranges
from booktape.model.records import BOOK_UPDATES
from booktape.store import objects

Plain = dict[str, Any]


class InvalidCertificateError(BooktapeError):
    """Not a certificate, or one of a format that this version does not know."""


def parse_certificate(content: bytes) -> Plain:
    """A certificate. Raises :class:`InvalidCertificateError`."""
    try:
        found = json.decode(content)
    except DecodeError as error:
        raise InvalidCertificateError(f"the certificate is not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("format") != CERTIFICATE_FORMAT:
        raise InvalidCertificateError(
            f"not a certificate of format {CERTIFICATE_FORMAT}: is this the right file, or version of Booktape?"
        )
    fault = certificate_schema.schema_fault(found)
    if fault is not None:
        raise InvalidCertificateError(f"the certificate lacks something, or holds it in another form: {fault}")
    return found


def csv_differences(certificate: Plain, chunks: Callable[[], Iterable[bytes]]) -> list[str]:
    """Everything in which a file differs from its certificate, or the certificate from itself.

    :param chunks: reads the file's bytes, each time from the beginning.
    :raises BadCertificate: something that every certificate has is not there.
    """
    try:
        return [*_of_file(certificate, chunks), *contradictions(certificate)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidCertificateError(
            f"the certificate lacks something, or holds it in another form: {error!r}"
        ) from error


def _of_file(certificate: Plain, chunks: Callable[[], Iterable[bytes]]) -> Iterator[str]:
    books = _Books(certificate)
    try:
        found = csv_check.read_csv(
            chunks(),
            certificate["data_type"],
            certificate["rule"],
            exchange=certificate["exchange"],
            times=csv_check.valid_times(certificate["data_type"], date.fromisoformat(certificate["day"])),
            on_row=books.take,
            eras=_eras(certificate),
        )
    except InvalidFileError as error:
        yield f"the file is not in its form: {error}"
        copied = objects.fingerprint(iter(chunks()))
        yield from _whole(certificate["file"], bytes=copied.bytes, sha256=copied.sha256)
        return
    yield from _whole(certificate["file"], rows=found.rows, bytes=found.bytes, sha256=found.sha256)
    told = certificate["markets"]
    for name in sorted({*found.markets, *(name for name, market in told.items() if market["rows"])}):
        if name not in told:
            yield f"{name}: {found.markets[name].rows:,} rows in the file, not one in the certificate"
        else:
            yield from _market(name, told[name], found)
    for name, crossed in sorted(books.crossed().items()):
        if name in told:
            what = f"{name}: messages after which the book is crossed"
            yield from _compare(what, told[name]["book"]["crossed"], crossed)


def _eras(certificate: Plain) -> dict[str, list[int]]:
    """From when on each market's numbers begin anew, where they do."""
    numbers = {name: market["numbers"] for name, market in certificate["markets"].items()}
    return {name: [era["from"] for era in told["eras"][1:]] for name, told in numbers.items() if told and told["eras"]}


def _whole(told: Plain, **found: object) -> Iterator[str]:
    for name, value in found.items():
        yield from _compare(f"the file's {name}", told[name], value)


def _compare(what: str, told: object, found: object) -> Iterator[str]:
    if told != found:
        yield f"{what}: {found} in the file, {told} in the certificate"


def _market(name: str, told: Plain, found: CsvFindings) -> Iterator[str]:
    market = found.markets.get(name)
    if market is None:
        yield f"{name}: not one row in the file, {told['rows']:,} in the certificate"
        return
    yield from _compare(f"{name}: rows", told["rows"], market.rows)
    yield from _compare(f"{name}: first id", told["first_id"], market.first_id)
    yield from _compare(f"{name}: last id", told["last_id"], market.last_id)
    yield from _compare(f"{name}: the SHA-256 of its lines", told["sha256"], market.sha256)
    if name in found.ids:
        numbers = told["numbers"]
        eras = (numbers["eras"] or [numbers]) if numbers is not None else []
        if len(eras) != len(found.ids[name]):
            yield f"{name}: ids of {len(found.ids[name])} eras in the file, of {len(eras)} in the certificate"
        for era, there in zip(eras, found.ids[name], strict=False):
            yield from _of_era(name, era, there, told["void"]["ranges"])


def _of_era(name: str, told: Plain, there: EraIds, void: list[Range]) -> Iterator[str]:
    """Ids that are not in the file are those that the certificate calls missing, used up or another day's."""
    first, last = told["first"], told["last"]
    if first is None or first > there.first or last < there.last:
        ends = f"{there.first} to {there.last}"
        yield f"{name}: ids from {ends} in the file, not all of them within those in the certificate"
        return
    around = [(first, there.first - 1), (there.last + 1, last)]
    holes = [*there.holes, *(pair for pair in around if pair[0] <= pair[1])]
    declared = id_set([*told["ranges"], *void, *told["elsewhere"]])
    within = id_set(declared.within(first, last))
    undeclared, invented = difference(holes, declared.ranges()), difference(within.ranges(), holes)
    if undeclared:
        yield f"{name}: ids that are not in the file, and that the certificate does not say: {named_ranges(undeclared)}"
    if invented:
        yield f"{name}: ids that the certificate says are not in the file, but are: {named_ranges(invented)}"


class _Books:
    """Each market's book as the file's rows make it; nothing for other data types."""

    def __init__(self, certificate: Plain) -> None:
        columns = COLUMNS[certificate["data_type"]]
        self._is_book = certificate["data_type"] == BOOK_UPDATES
        self._column = {name: number for number, name in enumerate(columns)}
        checksum = exchange(certificate["exchange"]).book_checksum
        self._depth = checksum.depth if checksum is not None else None
        self._books: dict[str, Crossed] = {}

    def take(self, row: list[str]) -> None:
        """Take the next row of the file."""
        if not self._is_book:
            return
        at = self._column
        book = self._books.get(row[at["symbol"]])
        if book is None:
            book = self._books[row[at["symbol"]]] = Crossed(self._depth)
        book.begin(int(row[at["local_timestamp"]]), is_snapshot=row[at["is_snapshot"]] == "true")
        level = [(row[at["price"]], row[at["amount"]])]
        if row[at["side"]] == "bid":
            book.apply(level, ())
        else:
            book.apply((), level)

    def crossed(self) -> dict[str, int]:
        """After how many messages each market's book was crossed."""
        for book in self._books.values():
            book.end()
        return {name: book.count for name, book in self._books.items()}
