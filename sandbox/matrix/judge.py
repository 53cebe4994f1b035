"""Compares what a file misses of what the venue sent with what its certificate reports as missing.

Where ids exist, both must be exactly the same ranges. In other streams, every lost message must lie in an interval that
the certificate declares (``down`` or ``unknown``), and nothing but the outage may be declared, within the tolerances of
this module. A stream whose loss nothing can show (``monotonic only``, ``none``) may lose messages unnoticed while it is
connected; its certificate must then call it unverifiable.

The edges: a row records some seconds of a day. What was sent before the first record of a market in the file must be
covered by ``edges.start: null`` and lie in a declared interval. After the last record nothing may be lost, and
``edges.end`` must be null, because no worker runs until midnight.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from booktape.integrity.certificate import NO_SEQUENCE_RULE, MarketCertificate
from booktape.model.records import BOOK_UPDATES, SECOND, TRADES
from sandbox.matrix.found import Matched, match, read_rows
from sandbox.matrix.night import Published
from sandbox.matrix.rows import Row
from sandbox.matrix.sent import Message, Range, Sent, Stream

SLACK: Final = SECOND // 4
"""By how much (µs) a message's time and that of its receipt may differ on this machine."""

BEFORE: Final = SECOND // 2
AFTER: Final = 2 * SECOND
"""By how much (µs) a declared interval may begin before the outage and end after it: a stream is known to be connected
only at its next record."""

_UNSEEN: Final = ("monotonic only", NO_SEQUENCE_RULE)
_NUMBERED: Final = frozenset({("binance", TRADES), ("coinbase", TRADES), ("kraken", TRADES), ("binance", BOOK_UPDATES)})


@dataclass(frozen=True, slots=True)
class Case:
    """A row at a venue. ``connected``: when all workers were; ``outage``: from the first step to the full recovery."""

    row: Row
    venue: str
    connected: int
    outage: tuple[int, int]


@dataclass
class Verdict:
    """The comparison of one data type, all its markets together.

    ``lost``: messages missing between records of the file. ``before``: messages missing before the first record.
    ``ids``: the number of missing ids by the ledger, ``reported``: by the certificate; 0 where nothing is numbered.
    ``declared``: declared µs between the first and the last record. ``unseen``: lost messages that nothing can show.
    ``faults``: how the certificate differs from the truth.
    """

    data_type: str
    numbered: bool
    sent: int = 0
    lost: int = 0
    before: int = 0
    ids: int = 0
    reported: int = 0
    declared: int = 0
    unseen: int = 0
    faults: list[str] = field(default_factory=list)


def judge(case: Case, sent: Mapping[Stream, Sent], published: Published) -> Verdict:
    """Judge one published file and its certificate."""
    data_type = published.data_type
    verdict = Verdict(data_type, (case.venue, data_type) in _NUMBERED)
    verdict.faults += [f"verify: {difference}" for difference in published.differences]
    rows = read_rows(published.csv, data_type)
    markets = {stream.market for stream in sent if stream.data_type == data_type}
    for market in sorted(markets | rows.keys()):
        said = sent.get(Stream(data_type, market), Sent())
        certificate = published.certificate.markets.get(market)
        verdict.sent += len(said.messages)
        if certificate is None or market not in rows:
            verdict.faults.append(f"{market}: not in the file or its certificate")
            continue
        matched = match(said.messages, rows[market], data_type)
        verdict.faults += [f"{market}: {fault}" for fault in _judge_market(case, verdict, said, matched, certificate)]
    if data_type in case.row.costs and case.venue == "binance" and not verdict.lost:
        verdict.faults.append("nothing was lost, so the row proves nothing")
    return verdict


def _judge_market(
    case: Case, verdict: Verdict, sent: Sent, matched: Matched, certificate: MarketCertificate
) -> Iterator[str]:
    if matched.surplus:
        yield f"{matched.surplus} rows that the venue did not send"
    if matched.in_part:
        yield f"{matched.in_part} messages of which only a part is in the file"
    places = [place for place, there in enumerate(matched.there) if there]
    if not places:
        yield "nothing that was sent is in the file"
        return
    first, last = places[0], places[-1]
    before = sent.messages[:first]
    lost = [sent.messages[place] for place in range(first, last) if not matched.there[place]]
    verdict.before += len(before)
    verdict.lost += len(lost)
    if last + 1 < len(sent.messages):
        yield f"{len(sent.messages) - last - 1} messages lost after the last record"
    if lost and not (case.row.costs or case.row.may_cost):
        yield f"{len(lost)} messages lost in a row that must lose none"
    declared = _declared(certificate)
    span = (sent.messages[first].time, sent.messages[last].time)
    yield from _judge_intervals(case, verdict, declared, span)
    yield from _judge_edges(before, declared, certificate)
    if verdict.numbered:
        yield from _judge_ids(verdict, sent, matched, certificate)
        yield from _judge_times(verdict, _around_resets(sent, matched), declared, certificate)
    else:
        yield from _judge_times(verdict, lost, declared, certificate, may_be_unseen=case.row.unseen)


def _declared(certificate: MarketCertificate) -> list[Range]:
    """The intervals (µs) that the certificate calls ``down`` or ``unknown``; adjacent ones are joined."""
    return _joined([*certificate.downtime.down, *certificate.downtime.unknown])


def _judge_intervals(case: Case, verdict: Verdict, declared: Sequence[Range], span: Range) -> Iterator[str]:
    """Between the first and the last record, only the outage is declared, once all workers are connected.

    Venues that begin a subscription with past trades have records from before the workers connected.
    """
    start, end = case.outage[0], case.outage[1] + int(case.row.settles * SECOND)
    for one, two in declared:
        inside = (max(one, span[0]), min(two, span[1]))
        if inside[0] >= inside[1] or two >= span[1] - SLACK < one + 2 * SLACK:
            continue
        begins = one <= span[0] + SLACK
        if begins and inside[1] <= max(case.connected, span[0]) + SLACK + AFTER:
            continue
        verdict.declared += inside[1] - inside[0]
        if not case.row.interrupts and not (begins and case.row.all_markets and two <= end + AFTER):
            yield f"declared without a fault: {_seconds(*inside, start)}"
        elif two > end + AFTER or (one < start - BEFORE and not case.row.forgets):
            yield f"declared beyond the outage of {(end - start) / SECOND:.2f} s: {_seconds(*inside, start)}"


def _judge_edges(before: Sequence[Message], declared: Sequence[Range], certificate: MarketCertificate) -> Iterator[str]:
    for name, edge in (("start", certificate.edges.start), ("end", certificate.edges.end)):
        if edge is not None:
            yield f"the day's {name} is called known, but no worker ran at midnight: {edge}"
    uncovered = [message for message in before if not _is_in(message.time, declared)]
    if uncovered:
        yield f"{len(uncovered)} messages lost before the first record, in no declared interval"


def _judge_ids(verdict: Verdict, sent: Sent, matched: Matched, certificate: MarketCertificate) -> Iterator[str]:
    """Exactly the missing ids are named by the certificate."""
    truth = missing_ids(sent, matched.there)
    said = [] if certificate.sequence is None else _joined_ids(certificate.sequence.missing_ids)
    verdict.ids += _length(truth)
    verdict.reported += _length(said)
    unreported, invented = sorted(set(truth) - set(said)), sorted(set(said) - set(truth))
    if unreported:
        yield f"missing, but not reported: {unreported[:3]}"
    if invented:
        yield f"reported as missing, but in the file: {invented[:3]}"


def missing_ids(sent: Sent, there: Sequence[bool]) -> list[Range]:
    """The ids between the first and the last record of each epoch without a record: lost, or skipped by the venue."""
    epochs = sorted({message.epoch for message in sent.messages})
    found: list[Range] = []
    for epoch in epochs:
        have = [
            message.ids
            for message, is_there in zip(sent.messages, there, strict=True)
            if is_there and message.epoch == epoch and message.ids
        ]
        if not have:
            continue
        first, last = min(ids[0] for ids in have), max(ids[1] for ids in have)
        absent = [
            message.ids
            for message, is_there in zip(sent.messages, there, strict=True)
            if not is_there and message.epoch == epoch and message.ids
        ]
        absent += [ids for of, ids in sent.skipped if of == epoch]
        found += _joined_ids(ids for ids in absent if first < ids[0] and ids[1] < last)
    return found


def _around_resets(sent: Sent, matched: Matched) -> list[Message]:
    """The messages lost around a sequence reset, which no number can show."""
    there = {message.ids: message.epoch for message, have in zip(sent.messages, matched.there, strict=True) if have}
    spans = {}
    for epoch in set(there.values()):
        ids = [number for number, of in there.items() if of == epoch and number is not None]
        spans[epoch] = min(ids)[0], max(ids)[1]
    return [
        message
        for message, have in zip(sent.messages, matched.there, strict=True)
        if not have and message.ids is not None and len(spans) > 1 and _is_at_end(message, spans)
    ]


def _is_at_end(message: Message, spans: Mapping[int, Range]) -> bool:
    """Whether a message lies after the last record of its epoch, or before the first one of a later epoch."""
    assert message.ids is not None
    first, last = spans.get(message.epoch, (message.ids[1] + 1, 0))
    after = message.ids[0] > last and message.epoch < max(spans)
    return after or (message.ids[1] < first and message.epoch > min(spans))


def _judge_times(
    verdict: Verdict,
    lost: Sequence[Message],
    declared: Sequence[Range],
    certificate: MarketCertificate,
    *,
    may_be_unseen: bool = False,
) -> Iterator[str]:
    """Every lost message lies in a declared interval, unless nothing can show its loss."""
    uncovered = [message for message in lost if not _is_in(message.time, declared)]
    if not uncovered:
        return
    if may_be_unseen and certificate.unverifiable in _UNSEEN:
        verdict.unseen += len(uncovered)
    else:
        yield f"{len(uncovered)} messages lost in no declared interval, the first at {uncovered[0].time}"


def _is_in(time: int, intervals: Iterable[Range]) -> bool:
    return any(start - SLACK <= time <= end + SLACK for start, end in intervals)


def _joined(intervals: Iterable[Range], touching: int = 0) -> list[Range]:
    found: list[Range] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1] + touching:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _joined_ids(ranges: Iterable[Range]) -> list[Range]:
    return _joined(ranges, touching=1)


def _length(ranges: Iterable[Range]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _seconds(start: int, end: int, zero: int) -> str:
    return f"{(start - zero) / SECOND:+.2f} s to {(end - zero) / SECOND:+.2f} s of it"
