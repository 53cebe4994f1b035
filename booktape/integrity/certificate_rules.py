"""The rules of a certificate: what its fields must be, given the other fields and the venue's declaration.

Everything that other fields determine is recomputed: totals, shares, counts of ranges, lengths of intervals, reasons
why something is unverifiable. Pure: nothing is read, not even the file.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from booktape.exchanges import UnknownExchangeError, exchange
from booktape.exchanges.spec import Channel
from booktape.integrity.audit import unverifiable
from booktape.integrity.certificate import (
    NOTHING_NUMBERED,
    BookCheck,
    Certificate,
    DayDowntime,
    DayEdge,
    DayEdges,
    MarketCertificate,
    MarketSequence,
    SequencePart,
    SystemAgreement,
    share,
    total_markets,
)
from booktape.integrity.sequence_audit import CHAINED, COUNTED
from booktape.merge.tables import SYSTEMS
from booktape.model.csv import PUBLISHED
from booktape.model.id_sets import Range, ranges_length
from booktape.model.intervals import Interval
from booktape.model.records import BOOK_UPDATES, QUOTES, TRADES
from booktape.model.sequence import CHECKSUM, CONTIGUOUS
from booktape.model.timestamps import day_interval

_INVALID: Final = "the certificate contradicts itself"


def contradictions(certificate: Certificate) -> Iterator[str]:
    """Yield everything in a certificate that contradicts the rest of it, or the venue's declaration."""
    yield from _declaration_faults(certificate)
    for name, market in certificate.markets.items():
        for what, given, computed in _market_values(certificate, market):
            if given != computed:
                yield _differs(f"{what} of {name}", given, computed)
        yield from (f"{_INVALID}: {name}: {fault}" for fault in _market_faults(certificate, market))
    computed_totals = total_markets(certificate.markets.values())
    for name in computed_totals.__struct_fields__:
        given, computed = getattr(certificate.totals, name), getattr(computed_totals, name)
        if given != computed:
            yield _differs(f"the total of {name}", given, computed)
    if certificate.file.rows != computed_totals.rows:
        yield _differs("the file's rows", certificate.file.rows, computed_totals.rows)


def _differs(what: str, given: object, computed: object) -> str:
    return f"{_INVALID}: {what}: {given}, but {computed} by its other fields"


def undeclared(certificate: Certificate) -> str | None:
    """Say why nothing is declared of the certificate's exchange and data type; None where a channel is."""
    venue, data_type = certificate.exchange, certificate.data_type
    if data_type not in PUBLISHED:
        return f"the certificate is of {data_type}, which is not published; these are: {', '.join(PUBLISHED)}"
    try:
        _channel(venue, data_type)
    except UnknownExchangeError as error:
        return f"the certificate's {error}"
    except KeyError:
        return f"the certificate is of {data_type} of {venue}, which has none"
    return None


def _declaration_faults(certificate: Certificate) -> Iterator[str]:
    """Yield where the certificate contradicts the venue's declaration, or names what does not exist."""
    fault = undeclared(certificate)
    if fault is not None:
        yield fault
        return
    venue, data_type, rule = certificate.exchange, certificate.data_type, certificate.rule
    declared = _channel(venue, data_type).rule
    if rule != declared:
        yield f"the rule: {rule} in the certificate, {declared} as {venue} is declared"
    reason = unverifiable(declared, data_type)
    if certificate.unverifiable != reason:
        yield (
            f"why nothing is verifiable: {certificate.unverifiable} in the certificate, {reason} as {venue} is declared"
        )
    systems = certificate.systems
    if systems != [system for system in SYSTEMS if system in systems]:
        yield f"the certificate's systems are {systems}; there are: {', '.join(SYSTEMS)}"


def _channel(venue: str, data_type: str) -> Channel:
    """The channel that carries a published data type; some venues send their books as whole snapshots only."""
    declared = exchange(venue)
    if data_type == BOOK_UPDATES and declared.book is not None:
        return declared.book
    return declared.channel(data_type)


def _market_values(certificate: Certificate, market: MarketCertificate) -> Iterator[tuple[str, object, object]]:
    """Yield what fields are, as given and as the other fields determine them."""
    sequence, burned, agreement = market.sequence, market.burned_ids, market.agreement
    data_type = certificate.data_type
    reason = certificate.unverifiable or (NOTHING_NUMBERED if sequence is None else None)
    yield "the reason why it is unverifiable", market.unverifiable, reason
    verified = market.records - sequence.unnumbered if sequence is not None else 0
    yield "the share verified", market.share_verified, share(verified, market.records)
    expected, present = market.expected_and_present()
    yield "the share present", market.share_present, share(present, expected)
    if data_type != BOOK_UPDATES:
        yield "the records", market.records, market.rows
    yield "the burned ids", burned.count, ranges_length(burned.ranges)
    if sequence is not None:
        for part in sequence.parts:
            yield from _sequence_values(certificate, part)
        if sequence.epochs:
            for name in ("expected", "present", "missing"):
                total = sum(getattr(one, name) for one in sequence.epochs)
                yield f"the ids {name} in all epochs", getattr(sequence, name), total
    for edge in market.edges.known:
        yield "the ids missing at an edge", edge.missing, ranges_length(edge.missing_ids)
    for name, intervals, length in _intervals(market.downtime):
        yield f"the time {name}", length, sum(end - start for start, end in intervals)
    yield "whether systems are compared", agreement is not None, "replica" in certificate.systems
    yield (
        "the records recovered from the replica",
        market.recovered.replica,
        agreement.replica_only if agreement is not None else 0,
    )
    if agreement is not None and _counts_all(certificate, agreement):
        either = agreement.both + agreement.primary_only + agreement.replica_only + agreement.variants
        second = 0 if data_type == TRADES else agreement.variants  # both variants are published
        published = market.records + burned.count
        yield "the records that any system has", either + second + market.recovered.rest, published
    yield "whether there is a book", market.book is not None, data_type == BOOK_UPDATES


def _counts_all(certificate: Certificate, agreement: SystemAgreement) -> bool:
    """Whether ``agreement`` counts each published record."""
    if certificate.data_type == TRADES:
        return certificate.rule == CONTIGUOUS
    compared = certificate.data_type in (BOOK_UPDATES, QUOTES) and certificate.rule != CHECKSUM
    return compared and not agreement.incomparable


def _sequence_values(certificate: Certificate, part: SequencePart) -> Iterator[tuple[str, object, object]]:
    yield "the missing ids", part.missing, ranges_length(part.missing_ids)
    yield "the ids expected", part.expected, part.present + part.missing + len(part.broken_links)
    if (certificate.rule, certificate.data_type) in COUNTED:
        span = part.last - part.first + 1 if part.first is not None and part.last is not None else 0
        yield "the ids from the first to the last", part.expected, span


def _intervals(downtime: DayDowntime) -> Iterator[tuple[str, list[Interval], int]]:
    yield "down", downtime.down, downtime.down_microseconds
    yield "silent", downtime.silent, downtime.silent_microseconds
    yield "unknown", downtime.unknown, downtime.unknown_microseconds


def _market_faults(certificate: Certificate, market: MarketCertificate) -> Iterator[str]:
    """Yield what is impossible."""
    sequence, edges, agreement = market.sequence, market.edges, market.agreement
    if sequence is None and edges.known:
        yield "an edge is known of a market without sequence ids"
    if sequence is not None:
        if (certificate.rule, certificate.data_type) not in COUNTED | CHAINED:
            yield f"sequence ids under the rule {certificate.rule}"
        yield from _sequence_faults(sequence, edges)
    if certificate.data_type != TRADES and market.burned_ids.count:
        yield f"burned ids of {certificate.data_type}"
    if market.recovered.rest and "rest" not in certificate.systems:
        yield "records recovered over REST without such a system"
    if agreement is not None and not _may_have_variants(certificate.data_type, agreement):
        yield f"{agreement.variants} records in different variants, with these ids: {agreement.variant_ids}"
    named = (("at the start", edges.start), ("at the end", edges.end))
    ranges = {"burned": market.burned_ids.ranges} | {
        f"missing {where}": edge.missing_ids for where, edge in named if edge is not None
    }
    for what, ids in ranges.items():
        if not _is_ordered(ids):
            yield f"its ids {what} are not in order: {_pairs(ids)}"
    yield from _downtime_faults(certificate, market.downtime)
    if market.book is not None:
        yield from _book_faults(certificate.rule, market.book)


def _may_have_variants(data_type: str, agreement: SystemAgreement) -> bool:
    """Whether each id of variants is named once, for each variant of trades; other ids may stand for several."""
    ids = len(set(agreement.variant_ids))
    if ids != len(agreement.variant_ids):
        return False
    return ids == agreement.variants if data_type == TRADES else (ids > 0) == (agreement.variants > 0)


def _sequence_faults(sequence: MarketSequence, edges: DayEdges) -> Iterator[str]:
    """The first epoch begins at the day's beginning, and the last one ends at its end."""
    epochs = sequence.epochs
    if not epochs:
        yield from _part_faults(sequence, edges.start, edges.end)
        if sequence.first is None and edges.start != edges.end:
            yield "edges that differ, without an id between them"
        return
    starts = [epoch.starts_at for epoch in epochs]
    later = [start for start in starts[1:] if start is not None]
    if len(later) < len(epochs) - 1 or later != sorted(later) or len(epochs) == 1:
        yield f"epochs that start at {starts}"
    for epoch in epochs:
        yield from _part_faults(
            epoch, edges.start if epoch is epochs[0] else None, edges.end if epoch is epochs[-1] else None
        )


def _part_faults(part: SequencePart, start: DayEdge | None, end: DayEdge | None) -> Iterator[str]:
    first, last = part.first, part.last
    inside = [*part.missing_ids, *part.other_day_ids]
    if first is None or last is None:
        if first is not last:
            yield f"its ids are from {first} to {last}"
        if inside or part.expected:
            yield "ids of a day that has none"
    else:
        if first > last:
            yield f"its ids are from {first} to {last}"
        if any(low < first or high > last for low, high in inside):
            yield f"ids that are not between its first and last one, {first} and {last}"
        if start is not None and any(high != first - 1 for _, high in start.missing_ids):
            yield f"ids missing at the start that do not end before {first}: {_pairs(start.missing_ids)}"
        if end is not None and any(low != last + 1 for low, _ in end.missing_ids):
            yield f"ids missing at the end that do not begin after {last}: {_pairs(end.missing_ids)}"
    for name in ("missing_ids", "other_day_ids", "resumed_ids"):
        if not _is_ordered(ids := getattr(part, name)):
            yield f"its {name} are not in order: {_pairs(ids)}"
    if any(not any(low <= one and two <= high for low, high in part.missing_ids) for one, two in part.resumed_ids):
        yield f"resumed ids that are not missing: {_pairs(part.resumed_ids)}"


def _downtime_faults(certificate: Certificate, downtime: DayDowntime) -> Iterator[str]:
    begin, end = day_interval(certificate.day)
    intervals = sorted(one for _, some, _ in _intervals(downtime) for one in some)
    if any(not begin <= start < stop <= end for start, stop in intervals):
        yield "intervals of its downtime that are not of the day"
    if any(one[1] > other[0] for one, other in pairwise(intervals)):
        yield "intervals of its downtime that overlap"


def _book_faults(rule: str, book: BookCheck) -> Iterator[str]:
    if not book.snapshots_differing <= book.snapshots_compared <= book.snapshots:
        yield "more snapshots that differ than were compared, or than there are"
    if bool(book.snapshots_differing) != (book.first_mismatch is not None):
        yield f"{book.snapshots_differing} snapshots that differ, the first of them {book.first_mismatch}"
    if book.checksums_failed > book.checksums_checked:
        yield "more checksums that failed than were compared"
    if rule != CHECKSUM and (book.checksums_checked or book.checksums_failed or book.checksums_unchecked):
        yield f"checksums under the rule {rule}"


def _is_ordered(ranges: Sequence[Range]) -> bool:
    return all(start <= end for start, end in ranges) and all(one[1] < two[0] for one, two in pairwise(ranges))


def _pairs(ranges: Iterable[Range]) -> list[list[int]]:
    """Ranges as the certificate has them."""
    return [list(pair) for pair in ranges]
