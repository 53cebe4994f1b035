"""Holding what is published beside a CSV to its certificate: the hashes, and the Parquet files.

The Parquet has what the CSV leaves out: all ids and numbers, who had which trade, and whole book messages with their
checksums. So all that a certificate says of those is computed anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from booktape.exchanges import exchange
from booktape.integrity import parquet_reader
from booktape.integrity.book_audit import BookAudit, checksum_rule
from booktape.integrity.parquet_reader import InvalidParquetError, ParquetMarket, ParquetNumbers
from booktape.integrity.verify import InvalidCertificateError
from booktape.model.id_sets import difference, named_ranges
from booktape.model.records import BOOK_UPDATES, TRADES
from booktape.model.sequence import CHECKSUM
from booktape.store.layout import hash_key, parquet_beside
from booktape.store.objects import Store

Plain = dict[str, Any]


def parquet_differences(certificate: Plain, store: Store, key: str) -> list[str]:
    """Everything in which what is published beside a CSV differs from its certificate: hashes, and the Parquet files.

    What is not there is no difference: days were published before there was such a thing.

    :param key: the CSV's.
    :raises BadCertificate: something that every certificate has is not there.
    """
    try:
        return [
            *_of_hash(certificate, store, key),
            *_of_parquet(certificate, store, parquet_beside(key)),
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidCertificateError(
            f"the certificate lacks something, or holds it in another form: {error!r}"
        ) from error


def _of_hash(certificate: Plain, store: Store, key: str) -> Iterator[str]:
    expected = f"{certificate['file']['sha256']}  {key.rpartition('/')[2]}\n".encode()
    if _listed(store, key) not in (None, expected):
        yield f"{hash_key(key)} does not tell the certificate's hash"


def _listed(store: Store, key: str) -> bytes | None:
    return store.read(hash_key(key)) if store.exists(hash_key(key)) else None


def _of_parquet(certificate: Plain, store: Store, key: str) -> Iterator[str]:
    single = store.exists(key)
    keys = [key] if single else sorted(item.key for item in store.objects(key))
    if not keys:
        return
    data_type, rule, told = certificate["data_type"], certificate["rule"], certificate["markets"]
    try:
        with parquet_reader.local(store, keys) as paths:
            hashes = parquet_reader.hashes(key, keys, paths)
            books = _books(certificate, paths, folders=not single)
            found = parquet_reader.read_parquet(paths, data_type, folders=not single)
            numbers = parquet_reader.numbers(paths, data_type, rule, folders=not single)
            provenance = parquet_reader.provenance(paths, folders=not single)
    except InvalidParquetError as error:
        yield str(error)
        return
    if _listed(store, key) not in (None, hashes):
        yield f"{hash_key(key)} does not tell the hashes of the Parquet files"
    for name in sorted({*found, *(name for name, market in told.items() if market["records"])}):
        if name not in told:
            yield f"{name}: records in the Parquet, not one in the certificate"
            continue
        yield from _market_in_full(name, told[name], found.get(name, ParquetMarket()))
        if name in books:
            yield from _book_in_full(name, told[name]["book"], books[name])
        if told[name]["void"]["count"]:  # used up, and not published
            continue
        if data_type == TRADES:
            yield from _provenance_in_full(name, told[name], provenance.get(name, {}))
        if (rule, data_type) in parquet_reader.SPANS and told[name]["numbers"] is not None:
            yield from _numbers_in_full(name, told[name]["numbers"], numbers.get(name))


def _market_in_full(name: str, told: Plain, found: ParquetMarket) -> Iterator[str]:
    yield from _compare(f"{name}: rows", told["rows"], found.rows)
    yield from _compare(f"{name}: records", told["records"], found.records)
    yield from _compare(f"{name}: the SHA-256 of its lines", told["sha256"], found.sha256)


def _compare(what: str, told: object, found: object) -> Iterator[str]:
    if told != found:
        yield f"{what}: {found} by the Parquet, {told} in the certificate"


def _books(certificate: Plain, paths: Sequence[Path], *, folders: bool) -> dict[str, BookAudit]:
    """Each market's book, put to the same tests as for the certificate; nothing for other data types."""
    if certificate["data_type"] != BOOK_UPDATES:
        return {}
    venue = exchange(certificate["exchange"])
    checksum, channel = venue.book_checksum, venue.book
    compute, depth = (checksum.compute, checksum.depth) if checksum is not None else (None, None)
    compares = channel is not None and BOOK_UPDATES in channel.data_types
    found: dict[str, BookAudit] = {}
    for symbol, message, time in parquet_reader.messages(paths, folders=folders):
        if symbol not in found:
            rule = checksum_rule(compute, depth) if certificate["rule"] == CHECKSUM else None
            found[symbol] = BookAudit(rule, depth, compares=compares)
        found[symbol].take(message, time)
    for book in found.values():
        book.end()
    return found


def _book_in_full(name: str, told: Plain, found: BookAudit) -> Iterator[str]:
    mismatch, rule = found.first_mismatch, found.checksum
    computed = {
        "crossed": found.crossed.count,
        "snapshots": found.snapshots,
        "snapshots_compared": found.compared,
        "snapshots_differing": found.differing,
        "first_mismatch": None if mismatch is None else {"id": mismatch.last_id, "time": mismatch.time},
        "checksums_checked": rule.checked if rule is not None else 0,
        "checksums_failed": rule.failed if rule is not None else 0,
        "checksums_unchecked": rule.unchecked if rule is not None else 0,
    }
    for what, value in computed.items():
        yield from _compare(f"{name}: the book's {what}", told[what], value)


def _provenance_in_full(name: str, told: Plain, found: Mapping[str, int]) -> Iterator[str]:
    """Who had which of the trades: as many of each as the certificate says."""
    alone = told["records"] - told["healed"]["rest"]
    agreement = told["agreement"] or {"both": 0, "disagree": 0, "primary_only": alone, "replica_only": 0}
    expected = {
        "primary": agreement["primary_only"],
        "both": agreement["both"] + agreement["disagree"],
        "replica": agreement["replica_only"],
        "rest": told["healed"]["rest"],
    }
    for who, number in expected.items():
        there = found.get(who, 0)
        if there != number:
            yield f"{name}: trades of the provenance {who}: {there} by the Parquet, {number} in the certificate"


def _numbers_in_full(name: str, told: Plain, found: ParquetNumbers | None) -> Iterator[str]:
    """Numbers that the CSV does not hold: exactly those that the certificate calls missing are in no record."""
    if told["eras"]:  # the Parquet's numbers of two eras may be the same ones, and fill each other's holes
        return
    if found is None or (told["first"], told["last"]) != (found.first, found.last):
        if found is not None or told["first"] is not None:
            ends = f"from {told['first']} to {told['last']}"
            yield f"{name}: the numbers in the Parquet are not those {ends} of the certificate"
        return
    holes = difference(found.holes, told["elsewhere"])
    if told["links"]:
        afters = dict(told["links"])  # where the record after it is of another day, nothing else tells it
        links = [[first - 1, found.afters.get(last, afters.get(first - 1))] for first, last in holes.ranges()]
        if told["links"] != links:
            yield f"{name}: something is missing between {links} by the Parquet, between {told['links']} are told"
    else:
        undeclared, invented = difference(holes.ranges(), told["ranges"]), difference(told["ranges"], found.holes)
        if undeclared:
            yield f"{name}: numbers in no record of the Parquet, and not said to be missing: {named_ranges(undeclared)}"
        if invented:
            yield f"{name}: numbers that are said to be missing, and are in the Parquet: {named_ranges(invented)}"
