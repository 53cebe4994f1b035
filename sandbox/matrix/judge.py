"""Holds what a file lacks of what the venue sent against what its certificate says is missing.

Where ids exist, both must be the same ranges, exactly. Elsewhere every lost message must lie in an interval that the
certificate declares (``down`` or ``unknown``), and nothing may be declared but the outage, give or take what is stated
here. A stream whose loss nothing can show (``monotonic only``, ``none``) may lose unseen while it is connected: its
certificate must then call it unverifiable.

The edges: a row records some seconds of a day. What was sent before the first record that the file has of a market
must be covered by ``edges.start: null`` and lie in a declared interval; after the last record nothing may be lost,
and ``edges.end`` must be null, for nobody listened until midnight.
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
"""By how much a declared interval may begin before the outage, and go on after all is whole again: a stream is heard of
only when its next record comes."""

_UNSEEN: Final = ("monotonic only", NO_SEQUENCE_RULE)
_NUMBERED: Final = frozenset({("binance", TRADES), ("coinbase", TRADES), ("kraken", TRADES), ("binance", BOOK_UPDATES)})


@dataclass(frozen=True, slots=True)
class Case:
    """A row at a venue. ``connected``: by when all were; ``outage``: from the first step until all was whole again."""

    row: Row
    venue: str
    connected: int
    outage: tuple[int, int]


@dataclass
class Verdict:
    """What was found of one data type, all its markets together.

    ``lost`` messages lie between records that the file has, ``before`` those before the first one. ``ids`` are missing
    in truth, ``told`` by the certificate; None where nothing is numbered. ``declared`` is in µs, between the first and
    last record. ``unseen``: lost messages that nothing can show. ``faults``: why the certificate is not the truth.
    """

    data_type: str
    numbered: bool
    sent: int = 0
    lost: int = 0
    before: int = 0
    ids: int = 0
    told: int = 0
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
        told = published.certificate.markets.get(market)
        verdict.sent += len(said.messages)
        if told is None or market not in rows:
            verdict.faults.append(f"{market}: not in the file or its certificate")
            continue
        matched = match(said.messages, rows[market], data_type)
        verdict.faults += [f"{market}: {fault}" for fault in _judge_market(case, verdict, said, matched, told)]
    if data_type in case.row.costs and case.venue == "binance" and not verdict.lost:
        verdict.faults.append("nothing was lost, so that the row proves nothing")
    return verdict


def _judge_market(case: Case, verdict: Verdict, sent: Sent, matched: Matched, told: MarketCertificate) -> Iterator[str]:
    if matched.surplus:
        yield f"{matched.surplus} rows that the venue did not send"
    if matched.in_part:
        yield f"{matched.in_part} messages of which only a part is there"
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
        yield f"{len(lost)} messages lost in a row that must not cost any"
    declared = _declared(told)
    span = (sent.messages[first].time, sent.messages[last].time)
    yield from _judge_intervals(case, verdict, declared, span)
    yield from _judge_edges(before, declared, told)
    if verdict.numbered:
        yield from _judge_ids(verdict, sent, matched, told)
        yield from _judge_times(verdict, _between_eras(sent, matched), declared, told)
    else:
        yield from _judge_times(verdict, lost, declared, told, may_be_unseen=case.row.unseen)


def _declared(told: MarketCertificate) -> list[Range]:
    """What the certificate calls ``down`` or ``unknown`` (µs), intervals that touch as one."""
    return _joined([*told.downtime.down, *told.downtime.unknown])


def _judge_intervals(case: Case, verdict: Verdict, declared: Sequence[Range], span: Range) -> Iterator[str]:
    """Between the first and the last record nothing is declared but the outage, once everybody is connected.

    Venues that begin a subscription with past trades have records of times before anybody was connected.
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


def _judge_edges(before: Sequence[Message], declared: Sequence[Range], told: MarketCertificate) -> Iterator[str]:
    for name, edge in (("start", told.edges.start), ("end", told.edges.end)):
        if edge is not None:
            yield f"the day's {name} is called known, and nobody listened at midnight: {edge}"
    uncovered = [message for message in before if not _is_in(message.time, declared)]
    if uncovered:
        yield f"{len(uncovered)} messages lost before the first record, in no declared interval"


def _judge_ids(verdict: Verdict, sent: Sent, matched: Matched, told: MarketCertificate) -> Iterator[str]:
    """The ids that are missing are exactly those that the certificate names."""
    truth = missing_ids(sent, matched.there)
    said = [] if told.sequence is None else _joined_ids(told.sequence.missing_ids)
    verdict.ids += _length(truth)
    verdict.told += _length(said)
    unreported, invented = sorted(set(truth) - set(said)), sorted(set(said) - set(truth))
    if unreported:
        yield f"missing, and not said so: {unreported[:3]}"
    if invented:
        yield f"said to be missing, and not so: {invented[:3]}"


def missing_ids(sent: Sent, there: Sequence[bool]) -> list[Range]:
    """The ids between the first and the last record of each era that no record has: lost, or skipped by the venue."""
    eras = sorted({message.era for message in sent.messages})
    found: list[Range] = []
    for era in eras:
        have = [
            message.ids
            for message, is_there in zip(sent.messages, there, strict=True)
            if is_there and message.era == era and message.ids
        ]
        if not have:
            continue
        first, last = min(ids[0] for ids in have), max(ids[1] for ids in have)
        absent = [
            message.ids
            for message, is_there in zip(sent.messages, there, strict=True)
            if not is_there and message.era == era and message.ids
        ]
        absent += [ids for of, ids in sent.skipped if of == era]
        found += _joined_ids(ids for ids in absent if first < ids[0] and ids[1] < last)
    return found


def _between_eras(sent: Sent, matched: Matched) -> list[Message]:
    """What was lost around a restart of the numbers, which no numbers can tell."""
    there = {message.ids: message.era for message, have in zip(sent.messages, matched.there, strict=True) if have}
    spans = {}
    for era in set(there.values()):
        ids = [number for number, of in there.items() if of == era and number is not None]
        spans[era] = min(ids)[0], max(ids)[1]
    return [
        message
        for message, have in zip(sent.messages, matched.there, strict=True)
        if not have and message.ids is not None and len(spans) > 1 and _is_at_end(message, spans)
    ]


def _is_at_end(message: Message, spans: Mapping[int, Range]) -> bool:
    """Whether a message of an era lies behind its last record, or of a later era before its first one."""
    assert message.ids is not None
    first, last = spans.get(message.era, (message.ids[1] + 1, 0))
    after = message.ids[0] > last and message.era < max(spans)
    return after or (message.ids[1] < first and message.era > min(spans))


def _judge_times(
    verdict: Verdict,
    lost: Sequence[Message],
    declared: Sequence[Range],
    told: MarketCertificate,
    *,
    may_be_unseen: bool = False,
) -> Iterator[str]:
    """Every lost message lies in a declared interval, unless nothing can show its loss."""
    uncovered = [message for message in lost if not _is_in(message.time, declared)]
    if not uncovered:
        return
    if may_be_unseen and told.unverifiable in _UNSEEN:
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
