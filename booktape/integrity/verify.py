"""Verifies a published CSV against its certificate, as a buyer does it.

The file is read once from end to end, and everything that the certificate says of it is recomputed and compared.
What only the recordings can show (which system had what, when streams were recorded) is checked by the rules of
:mod:`~booktape.integrity.certificate_rules` as far as possible.
"""

from collections.abc import Callable, Iterable, Iterator

from booktape.exchanges import exchange
from booktape.integrity import csv_check
from booktape.integrity.book_audit import CrossedCounter
from booktape.integrity.certificate import Certificate, MarketCertificate, PublishedFile, SequencePart
from booktape.integrity.certificate_rules import contradictions, undeclared
from booktape.integrity.csv_check import CsvFindings, EpochIds, InvalidFileError
from booktape.model.csv import COLUMNS
from booktape.model.id_sets import Range, difference, id_set, named_ranges
from booktape.model.records import BOOK_UPDATES
from booktape.store import objects


def csv_differences(certificate: Certificate, chunks: Callable[[], Iterable[bytes]]) -> list[str]:
    """Find everything in which a file differs from its certificate, or the certificate from its own rules.

    The file is not read where the certificate is of an exchange or data type that does not exist.

    :param chunks: reads the file's bytes, each time from the beginning.
    """
    found = [] if undeclared(certificate) is not None else list(_file_differences(certificate, chunks))
    return [*found, *contradictions(certificate)]


def _file_differences(certificate: Certificate, chunks: Callable[[], Iterable[bytes]]) -> Iterator[str]:
    books = _Books(certificate)
    try:
        found = csv_check.read_csv(
            chunks(),
            certificate.data_type,
            certificate.rule,
            exchange=certificate.exchange,
            times=csv_check.valid_times(certificate.data_type, certificate.day),
            on_row=books.take,
            epochs=_epochs(certificate),
        )
    except InvalidFileError as error:
        yield f"the file is not valid: {error}"
        copied = objects.fingerprint(iter(chunks()))
        yield from _differ("the file's bytes", certificate.file.bytes, copied.bytes)
        yield from _differ("the file's sha256", certificate.file.sha256, copied.sha256)
        return
    yield from _whole_file(certificate.file, found)
    markets = certificate.markets
    for name in sorted({*found.markets, *(name for name, market in markets.items() if market.rows)}):
        if name not in markets:
            yield f"{name}: {found.markets[name].rows:,} rows in the file, not one in the certificate"
        else:
            yield from _market(name, markets[name], found)
    for name, crossed in sorted(books.crossed().items()):
        if name in markets and (book := markets[name].book) is not None:
            yield from _differ(f"{name}: messages after which the book is crossed", book.crossed, crossed)


def _epochs(certificate: Certificate) -> dict[str, list[int]]:
    """The times (µs) of each market's sequence resets within the day."""
    found = {}
    for name, market in certificate.markets.items():
        if market.sequence is not None and market.sequence.epochs:
            found[name] = [epoch.starts_at or 0 for epoch in market.sequence.epochs[1:]]
    return found


def _whole_file(file: PublishedFile, found: CsvFindings) -> Iterator[str]:
    yield from _differ("the file's rows", file.rows, found.rows)
    yield from _differ("the file's bytes", file.bytes, found.bytes)
    yield from _differ("the file's sha256", file.sha256, found.sha256)


def _differ(what: str, certified: object, found: object) -> Iterator[str]:
    if certified != found:
        yield f"{what}: {found} in the file, {certified} in the certificate"


def _market(name: str, certified: MarketCertificate, found: CsvFindings) -> Iterator[str]:
    market = found.markets.get(name)
    if market is None:
        yield f"{name}: not one row in the file, {certified.rows:,} in the certificate"
        return
    yield from _differ(f"{name}: rows", certified.rows, market.rows)
    yield from _differ(f"{name}: first id", certified.first_id, market.first_id)
    yield from _differ(f"{name}: last id", certified.last_id, market.last_id)
    yield from _differ(f"{name}: the SHA-256 of its lines", certified.sha256, market.sha256)
    if name in found.ids:
        parts = certified.sequence.parts if certified.sequence is not None else []
        if len(parts) != len(found.ids[name]):
            yield f"{name}: ids of {len(found.ids[name])} epochs in the file, of {len(parts)} in the certificate"
        for part, ids in zip(parts, found.ids[name], strict=False):
            yield from _missing_ids(name, part, ids, certified.burned_ids.ranges)


def _missing_ids(name: str, certified: SequencePart, found: EpochIds, burned: list[Range]) -> Iterator[str]:
    """Ids that are not in the file must be missing, burned or another day's according to the certificate."""
    first, last = certified.first, certified.last
    if first is None or last is None or first > found.first or last < found.last:
        yield f"{name}: ids from {found.first} to {found.last} in the file, not all of them within those certified"
        return
    around = [(first, found.first - 1), (found.last + 1, last)]
    absent = [*found.missing, *(pair for pair in around if pair[0] <= pair[1])]
    declared = id_set([*certified.missing_ids, *burned, *certified.other_day_ids])
    within = id_set(declared.within(first, last))
    undeclared, invented = difference(absent, declared.ranges()), difference(within.ranges(), absent)
    if undeclared:
        yield f"{name}: ids not in the file that the certificate does not declare: {named_ranges(undeclared)}"
    if invented:
        yield f"{name}: ids in the file that the certificate declares as absent: {named_ranges(invented)}"


class _Books:
    """Each market's book, rebuilt from the file's rows; none for other data types."""

    def __init__(self, certificate: Certificate) -> None:
        columns = COLUMNS[certificate.data_type]
        self._is_book = certificate.data_type == BOOK_UPDATES
        self._column = {name: number for number, name in enumerate(columns)}
        checksum = exchange(certificate.exchange).book_checksum
        self._depth = checksum.depth if checksum is not None else None
        self._books: dict[str, CrossedCounter] = {}

    def take(self, row: list[str]) -> None:
        """Take the next row of the file."""
        if not self._is_book:
            return
        at = self._column
        book = self._books.get(row[at["symbol"]])
        if book is None:
            book = self._books[row[at["symbol"]]] = CrossedCounter(self._depth)
        book.begin(int(row[at["local_timestamp"]]), is_snapshot=row[at["is_snapshot"]] == "true")
        level = [(row[at["price"]], row[at["amount"]])]
        if row[at["side"]] == "bid":
            book.apply(level, ())
        else:
            book.apply((), level)

    def crossed(self) -> dict[str, int]:
        """Count the messages after which each market's book is crossed."""
        for book in self._books.values():
            book.end()
        return {name: book.count for name, book in self._books.items()}
