"""Recomputing a certificate from the published file alone, as a buyer does it.

The file is read once from end to end; everything that a certificate says of it is computed anew and compared. What only
the recordings can tell (who had what, when nobody listened) is held against itself where that is possible.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from msgspec import DecodeError, json

from booktape.core.csv import COLUMNS
from booktape.core.proof_book import Crossed
from booktape.core.proof_ids import Ids
from booktape.core.proof_text import FORMAT, share
from booktape.core.records import BOOK_UPDATES
from booktape.errors import BooktapeError
from booktape.exchanges import exchange
from booktape.publish import check, files
from booktape.publish.check import BadFile, Findings

Plain = dict[str, Any]

_NAMED: Final = 5
"""How many ids or ranges a difference names."""


class BadCertificate(BooktapeError):
    """Not a certificate, or one of a format that this version does not know."""


def parse(content: bytes) -> Plain:
    """A certificate. Raises :class:`BadCertificate`."""
    try:
        found = json.decode(content)
    except DecodeError as error:
        raise BadCertificate(f"the certificate is not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadCertificate(f"not a certificate of format {FORMAT}: is this the right file, or version of Booktape?")
    return found


def differences(certificate: Plain, chunks: Callable[[], Iterable[bytes]]) -> list[str]:
    """Everything in which a file differs from its certificate, or the certificate from itself.

    :param chunks: reads the file's bytes, each time from the beginning.
    :raises BadCertificate: something that every certificate has is not there.
    """
    try:
        return [*_of_file(certificate, chunks), *_of_itself(certificate)]
    except (KeyError, TypeError, AttributeError) as error:
        raise BadCertificate(f"the certificate lacks something, or holds it in another form: {error!r}") from error


def _of_file(certificate: Plain, chunks: Callable[[], Iterable[bytes]]) -> Iterator[str]:
    books = _Books(certificate)
    try:
        found = check.read(
            chunks(),
            certificate["data_type"],
            certificate["rule"],
            exchange=certificate["exchange"],
            times=None,
            on_row=books.take,
        )
    except BadFile as error:
        yield f"the file is not in its form: {error}"
        copied = files.fingerprint(iter(chunks()))
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


def _whole(told: Plain, **found: object) -> Iterator[str]:
    for name, value in found.items():
        yield from _compare(f"the file's {name}", told[name], value)


def _compare(what: str, told: object, found: object) -> Iterator[str]:
    if told != found:
        yield f"{what}: {found} in the file, {told} in the certificate"


def _market(name: str, told: Plain, found: Findings) -> Iterator[str]:
    market = found.markets.get(name)
    if market is None:
        yield f"{name}: not one row in the file, {told['rows']:,} in the certificate"
        return
    yield from _compare(f"{name}: rows", told["rows"], market.rows)
    yield from _compare(f"{name}: first id", told["first_id"], market.first_id)
    yield from _compare(f"{name}: last id", told["last_id"], market.last_id)
    yield from _compare(f"{name}: the SHA-256 of its lines", told["sha256"], market.sha256)
    if name in found.holes and isinstance(market.first_id, int) and isinstance(market.last_id, int):
        yield from _holes(name, told, found, market.first_id, market.last_id)


def _holes(name: str, told: Plain, found: Findings, first: int, last: int) -> Iterator[str]:
    """Ids that are not in the file are those that the certificate calls missing, used up, unused or another day's."""
    numbers = told["numbers"]
    declared, there = Ids(), Ids()
    for start, end in (*numbers["ranges"], *told["void"]["ranges"], *numbers["elsewhere"], *numbers["restarted"]):
        declared.cover(start, end)
    for start, end in found.holes[name]:
        there.cover(start, end)
    undeclared, invented = Ids(), Ids()
    for start, end in there.ranges():
        undeclared.cover(start, end)
    for start, end in declared.within(first, last):
        invented.cover(start, end)
    for start, end in declared.ranges():
        undeclared.remove(start, end)
    for start, end in there.ranges():
        invented.remove(start, end)
    if undeclared:
        yield f"{name}: ids that are not in the file, and that the certificate does not say: {_named(undeclared)}"
    if invented:
        yield f"{name}: ids that the certificate says are not in the file, but are: {_named(invented)}"


def _named(ids: Ids) -> str:
    ranges = [str(first) if first == last else f"{first}-{last}" for first, last in ids.ranges()]
    more = [f"{len(ranges) - _NAMED} more"] if len(ranges) > _NAMED else []
    return ", ".join(ranges[:_NAMED] + more)


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


def _of_itself(certificate: Plain) -> Iterator[str]:
    """What in a certificate contradicts the rest of it."""
    totals, markets = certificate["totals"], certificate["markets"]
    yield from _agrees("its rows", certificate["file"]["rows"], sum(market["rows"] for market in markets.values()))
    numbered = [(name, market) for name, market in markets.items() if market["numbers"] is not None]
    for name, market in numbered:
        numbers = market["numbers"]
        ranges = _length(numbers["ranges"]) or len(numbers["links"])
        yield from _agrees(f"the missing ids of {name}", numbers["missing"], _length(numbers["ranges"]))
        yield from _agrees(f"the ids expected of {name}", numbers["expected"], numbers["seen"] + ranges)
    expected = sum(market["numbers"]["expected"] + _at_edges(market) for _, market in numbered)
    seen = sum(market["numbers"]["seen"] for _, market in numbered)
    if numbered:
        yield from _agrees("the ids expected in all", totals["expected"], expected)
        yield from _agrees("the share that is present", totals["share_present"], share(seen, expected))


def _agrees(what: str, told: object, computed: object) -> Iterator[str]:
    if told != computed:
        yield f"the certificate contradicts itself: {what} are told as {told}, and add up to {computed}"


def _at_edges(market: Plain) -> int:
    edges = [edge for edge in market["edges"].values() if edge != "unknown"]
    return sum(edge["missing"] + len(edge["links"]) for edge in edges)


def _length(ranges: Iterable[list[int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)
