"""Verifies what is published beside a CSV against its certificate: the hashes and the Parquet files.

The Parquet has what the CSV leaves out: all sequence ids, which system had which trade, and whole book messages with
their checksums. So everything that a certificate says of those is recomputed.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from booktape.exchanges import exchange
from booktape.integrity import parquet_reader
from booktape.integrity.book_audit import BookAudit, checksum_rule
from booktape.integrity.certificate import BookCheck, Certificate, MarketCertificate, MarketSequence
from booktape.integrity.certificate_rules import undeclared
from booktape.integrity.parquet_reader import InvalidParquetError, ParquetMarket, ParquetNumbers
from booktape.model.id_sets import difference, named_ranges
from booktape.model.records import BOOK_UPDATES, TRADES
from booktape.model.sequence import CHECKSUM
from booktape.store.layout import hash_key, parquet_beside
from booktape.store.objects import Store


def parquet_differences(certificate: Certificate, store: Store, key: str) -> list[str]:
    """Find everything in which the hashes and the Parquet files beside a CSV differ from its certificate.

    What is not there is no difference: days of earlier versions were published without it.

    :param store: the publication store.
    :param key: the CSV's key.
    """
    found = list(_hash_differences(certificate, store, key))
    if undeclared(certificate) is None:
        found += _file_differences(certificate, store, parquet_beside(key))
    return found


def _hash_differences(certificate: Certificate, store: Store, key: str) -> Iterator[str]:
    expected = f"{certificate.file.sha256}  {key.rpartition('/')[2]}\n".encode()
    if _listed_hashes(store, key) not in (None, expected):
        yield f"{hash_key(key)} does not have the certificate's hash"


def _listed_hashes(store: Store, key: str) -> bytes | None:
    return store.read(hash_key(key)) if store.exists(hash_key(key)) else None


def _file_differences(certificate: Certificate, store: Store, key: str) -> Iterator[str]:
    single = store.exists(key)
    keys = [key] if single else sorted(item.key for item in store.objects(key))
    if not keys:
        return
    data_type, rule, markets = certificate.data_type, certificate.rule, certificate.markets
    try:
        with parquet_reader.local(store, keys) as paths:
            hashes = parquet_reader.hashes(key, keys, paths)
            books = _books(certificate, paths, folders=not single)
            found = parquet_reader.read_published_parquet(paths, data_type, folders=not single)
            numbers = parquet_reader.numbers(paths, data_type, rule, folders=not single)
            provenance = parquet_reader.provenance(paths, folders=not single)
    except InvalidParquetError as error:
        yield str(error)
        return
    if _listed_hashes(store, key) not in (None, hashes):
        yield f"{hash_key(key)} does not have the hashes of the Parquet files"
    for name in sorted({*found, *(name for name, market in markets.items() if market.records)}):
        if name not in markets:
            yield f"{name}: records in the Parquet, not one in the certificate"
            continue
        market = markets[name]
        yield from _market_differences(name, market, found.get(name, ParquetMarket()))
        if name in books and market.book is not None:
            yield from _book_differences(name, market.book, books[name])
        if market.burned_ids.count:  # these are not published
            continue
        if data_type == TRADES:
            yield from _provenance_differences(name, market, provenance.get(name, {}))
        if (rule, data_type) in parquet_reader.SPANS and market.sequence is not None:
            yield from _sequence_differences(name, market.sequence, numbers.get(name))


def _market_differences(name: str, certified: MarketCertificate, found: ParquetMarket) -> Iterator[str]:
    yield from _differ(f"{name}: rows", certified.rows, found.rows)
    yield from _differ(f"{name}: records", certified.records, found.records)
    yield from _differ(f"{name}: the SHA-256 of its lines", certified.sha256, found.sha256)


def _differ(what: str, certified: object, found: object) -> Iterator[str]:
    if certified != found:
        yield f"{what}: {found} by the Parquet, {certified} in the certificate"


def _books(certificate: Certificate, paths: Sequence[Path], *, folders: bool) -> dict[str, BookCheck]:
    """Check each market's book as for the certificate; other data types have none."""
    if certificate.data_type != BOOK_UPDATES:
        return {}
    venue = exchange(certificate.exchange)
    checksum, channel = venue.book_checksum, venue.book
    compute, depth = (checksum.compute, checksum.depth) if checksum is not None else (None, None)
    compares = channel is not None and BOOK_UPDATES in channel.data_types
    audits: dict[str, BookAudit] = {}
    for symbol, message, time in parquet_reader.messages(paths, folders=folders):
        if symbol not in audits:
            rule = checksum_rule(compute, depth) if certificate.rule == CHECKSUM else None
            audits[symbol] = BookAudit(rule, depth, compares=compares)
        audits[symbol].take(message, time)
    for audit in audits.values():
        audit.end()
    return {symbol: audit.result() for symbol, audit in audits.items()}


def _book_differences(name: str, certified: BookCheck, found: BookCheck) -> Iterator[str]:
    for field in found.__struct_fields__:
        yield from _differ(f"{name}: the book's {field}", getattr(certified, field), getattr(found, field))


def _provenance_differences(name: str, certified: MarketCertificate, found: Mapping[str, int]) -> Iterator[str]:
    """Compare the systems that had the trades."""
    rest, agreement = certified.recovered.rest, certified.agreement
    expected = {"primary": certified.records - rest, "both": 0, "replica": 0, "rest": rest}
    if agreement is not None:
        expected |= {
            "primary": agreement.primary_only,
            "both": agreement.both + agreement.variants,
            "replica": agreement.replica_only,
        }
    for provenance, number in expected.items():
        there = found.get(provenance, 0)
        if there != number:
            yield f"{name}: trades of the provenance {provenance}: {there} by the Parquet, {number} in the certificate"


def _sequence_differences(name: str, certified: MarketSequence, found: ParquetNumbers | None) -> Iterator[str]:
    """Compare ids that the CSV does not have: exactly those certified as missing are in no record."""
    if certified.epochs:  # two epochs may have the same ids, and fill each other's gaps
        return
    if found is None or (certified.first, certified.last) != (found.first, found.last):
        if found is not None or certified.first is not None:
            yield (
                f"{name}: the sequence ids in the Parquet are not those from {certified.first} to {certified.last} of "
                "the certificate"
            )
        return
    missing = difference(found.missing, certified.other_day_ids)
    if certified.broken_links:
        afters = dict(certified.broken_links)  # only the certificate knows a message of the next day
        links = [(first - 1, found.afters.get(last, afters.get(first - 1))) for first, last in missing.ranges()]
        if certified.broken_links != links:
            yield f"{name}: broken links: {links} by the Parquet, {certified.broken_links} in the certificate"
    else:
        undeclared_ids = difference(missing.ranges(), certified.missing_ids)
        invented = difference(certified.missing_ids, found.missing)
        if undeclared_ids:
            ids = named_ranges(undeclared_ids)
            yield f"{name}: sequence ids in no record of the Parquet, and not declared as missing: {ids}"
        if invented:
            yield f"{name}: sequence ids that are declared as missing, and are in the Parquet: {named_ranges(invented)}"
