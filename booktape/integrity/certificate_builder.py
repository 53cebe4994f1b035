"""Builds the certificate of a day from the audits of its recordings."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Literal

import msgspec

from booktape.integrity.audit import MarketAudit
from booktape.integrity.certificate import (
    FORMAT,
    NOTHING_NUMBERED,
    BurnedIds,
    Certificate,
    DayDowntime,
    DayEdge,
    DayEdges,
    Link,
    Maker,
    MarketCertificate,
    MarketSequence,
    PublishedFile,
    Recovered,
    SequenceEpoch,
    SystemAgreement,
    share,
    total_markets,
)
from booktape.integrity.sequence_audit import Edge, SequenceSummary
from booktape.integrity.uptime import Downtime
from booktape.model.gap import Gap
from booktape.model.id_sets import ranges_length
from booktape.model.intervals import total_length


def build_certificate(
    *,
    source: str,
    exchange: str,
    data_type: str,
    day: date,
    rule: str,
    unverifiable: str | None,
    systems: Sequence[str],
    file: PublishedFile,
    made_by: Maker,
    audits: Mapping[str, MarketAudit],
    ids: Mapping[str, tuple[int | str | None, int | str | None]],
) -> Certificate:
    """Build the certificate of a day.

    :param unverifiable: why ids cannot show loss under the rule, or None.
    :param audits: the audit of each market.
    :param ids: the first and the last id of each market in the file; markets without rows may be left out.
    """
    markets = {
        name: build_market(audit, ids.get(name, (None, None)), compared="replica" in systems)
        for name, audit in audits.items()
    }
    return Certificate(
        format=FORMAT,
        source=source,
        exchange=exchange,
        data_type=data_type,
        day=day,
        rule=rule,
        unverifiable=unverifiable,
        systems=list(systems),
        file=file,
        made_by=made_by,
        totals=total_markets(markets.values()),
        markets=markets,
    )


def build_market(
    audit: MarketAudit, ids: tuple[int | str | None, int | str | None] = (None, None), *, compared: bool = True
) -> MarketCertificate:
    """Build one market's part of the certificate.

    :param ids: the first and the last id in the file.
    :param compared: there is a replica.
    """
    loss, found = audit.loss, audit.agreement
    sequence = _sequence(loss, audit.unnumbered)
    verified = audit.records - audit.unnumbered if sequence is not None else 0
    market = MarketCertificate(
        rows=audit.rows,
        records=audit.records,
        sha256=audit.sha256,
        first_id=ids[0],
        last_id=ids[1],
        unverifiable=audit.unverifiable or (NOTHING_NUMBERED if sequence is None else None),
        share_verified=share(verified, audit.records),
        share_present=None,
        sequence=sequence,
        edges=DayEdges(start=_edge(loss.start), end=_edge(loss.end)),
        burned_ids=BurnedIds(count=ranges_length(audit.burned_ids), ranges=audit.burned_ids),
        recovered=Recovered(replica=found.from_replica, rest=found.from_rest),
        agreement=SystemAgreement(
            both=found.both,
            primary_only=found.primary_only,
            replica_only=found.replica_only,
            variants=found.variants,
            variant_ids=found.variant_ids,
            incomparable=found.incomparable,
        )
        if compared
        else None,
        downtime=_downtime(audit.downtime),
        book=audit.book,
    )
    expected, present = market.expected_and_present()
    return msgspec.structs.replace(market, share_present=share(present, expected))


def _sequence(loss: SequenceSummary, unnumbered: int) -> MarketSequence | None:
    if loss.expected is None:
        return None
    return MarketSequence(
        **_sequence_fields(loss),
        epochs=[SequenceEpoch(starts_at=epoch.starts_at, **_sequence_fields(epoch.loss)) for epoch in loss.epochs],
        unnumbered=unnumbered,
    )


def _sequence_fields(loss: SequenceSummary) -> dict[str, Any]:
    return {
        "first": loss.first,
        "last": loss.last,
        "expected": loss.expected,
        "present": loss.present,
        "missing": ranges_length(loss.missing),
        "missing_ids": loss.missing,
        "broken_links": _links(loss.broken_links),
        "resumed_ids": loss.resumed_ids,
        "other_day_ids": loss.other_day_ids,
    }


def _edge(edge: Edge) -> DayEdge | None:
    if not edge.known:
        return None
    return DayEdge(
        missing=ranges_length(edge.missing), missing_ids=edge.missing, broken_links=_links(edge.broken_links)
    )


def _links(gaps: Iterable[Gap]) -> list[Link]:
    return [(gap.first - 1, gap.last + 1) for gap in gaps]


def _downtime(found: Downtime) -> DayDowntime:
    clocks: Mapping[bool | None, Literal["exchange", "collector"] | None] = {True: "exchange", False: "collector"}
    return DayDowntime(
        down=found.down,
        down_microseconds=total_length(found.down),
        unknown=found.unknown,
        unknown_microseconds=total_length(found.unknown),
        silent=found.silent,
        silent_microseconds=total_length(found.silent),
        clock=clocks.get(found.by_exchange),
        interruptions=found.interruptions,
    )
