"""Format 1 of the certificate, which published days of earlier versions have: read, and converted to format 2.

The fields are those of :mod:`booktape.integrity.certificate` by other names: ``numbers`` for ``sequence`` (``seen`` for
``present``, ``ranges`` for ``missing_ids``, ``links`` for ``broken_links``, ``resumed`` for ``resumed_ids``,
``elsewhere`` for ``other_day_ids``, ``eras`` for ``epochs``), ``void`` for ``burned_ids``, ``healed`` for
``recovered``, ``disagree`` for ``variants``, ``untold`` for ``incomparable``, ``breaks`` for ``interruptions``, and the
text ``unknown`` for an edge that is null in format 2.
"""

from datetime import date
from typing import Any, Literal

from msgspec import Struct, field

from booktape.integrity.certificate import (
    FORMAT,
    NO_SEQUENCE_RULE,
    BookCheck,
    BurnedIds,
    Certificate,
    Count,
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
    Sha256,
    Share,
    SystemAgreement,
    Totals,
)
from booktape.model.id_sets import Range
from booktape.model.intervals import Interval


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a certificate. Every field is present, and no other one."""


class _Totals(_Part, frozen=True):
    markets: Count
    rows: Count
    expected: Count | None
    seen: Count | None
    missing: Count | None
    share_present: Share | None
    void: Count
    healed_by_replica: Count
    healed_by_rest: Count
    disagree: Count


class _Sequence(_Part, frozen=True):
    first: int | None
    last: int | None
    expected: Count
    seen: Count
    missing: Count
    ranges: list[Range]
    links: list[Link]
    resumed: list[Range]
    elsewhere: list[Range]

    def fields(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "last": self.last,
            "expected": self.expected,
            "present": self.seen,
            "missing": self.missing,
            "missing_ids": self.ranges,
            "broken_links": self.links,
            "resumed_ids": self.resumed,
            "other_day_ids": self.elsewhere,
        }


class _Era(_Sequence, frozen=True):
    begins: int | None = field(name="from")


class _Numbers(_Sequence, frozen=True):
    eras: list[_Era]
    unnumbered: Count

    def convert(self) -> MarketSequence:
        epochs = [SequenceEpoch(starts_at=era.begins, **era.fields()) for era in self.eras]
        return MarketSequence(**self.fields(), epochs=epochs, unnumbered=self.unnumbered)


class _Edge(_Part, frozen=True):
    missing: Count
    ranges: list[Range]
    links: list[Link]


class _Edges(_Part, frozen=True):
    start: _Edge | Literal["unknown"]
    end: _Edge | Literal["unknown"]


class _Agreement(_Part, frozen=True):
    both: Count
    primary_only: Count
    replica_only: Count
    disagree: Count
    disagreeing: list[int | str]
    untold: Count

    def convert(self) -> SystemAgreement:
        return SystemAgreement(
            both=self.both,
            primary_only=self.primary_only,
            replica_only=self.replica_only,
            variants=self.disagree,
            variant_ids=self.disagreeing,
            incomparable=self.untold,
        )


class _Downtime(_Part, frozen=True):
    down: list[Interval]
    down_microseconds: Count
    unknown: list[Interval]
    unknown_microseconds: Count
    silent: list[Interval]
    silent_microseconds: Count
    clock: Literal["exchange", "collectors"] | None
    breaks: Count

    def convert(self) -> DayDowntime:
        return DayDowntime(
            down=self.down,
            down_microseconds=self.down_microseconds,
            unknown=self.unknown,
            unknown_microseconds=self.unknown_microseconds,
            silent=self.silent,
            silent_microseconds=self.silent_microseconds,
            clock="collector" if self.clock == "collectors" else self.clock,
            interruptions=self.breaks,
        )


class _Market(_Part, frozen=True):
    rows: Count
    records: Count
    sha256: Sha256
    first_id: int | str | None
    last_id: int | str | None
    unverifiable: str | None
    share_verified: Share | None
    share_present: Share | None
    numbers: _Numbers | None
    edges: _Edges
    void: BurnedIds
    healed: Recovered
    agreement: _Agreement | None
    downtime: _Downtime
    book: BookCheck | None

    def convert(self) -> MarketCertificate:
        return MarketCertificate(
            rows=self.rows,
            records=self.records,
            sha256=self.sha256,
            first_id=self.first_id,
            last_id=self.last_id,
            unverifiable=_reason(self.unverifiable),
            share_verified=self.share_verified,
            share_present=self.share_present,
            sequence=self.numbers.convert() if self.numbers is not None else None,
            edges=DayEdges(start=_edge(self.edges.start), end=_edge(self.edges.end)),
            burned_ids=self.void,
            recovered=self.healed,
            agreement=self.agreement.convert() if self.agreement is not None else None,
            downtime=self.downtime.convert(),
            book=self.book,
        )


class CertificateV1(_Part, frozen=True):
    """A day of one data source, in format 1."""

    format: Literal[1]
    source: str
    exchange: str
    data_type: str
    day: date
    rule: str
    unverifiable: str | None
    systems: list[str]
    file: PublishedFile
    made_by: Maker
    totals: _Totals
    markets: dict[str, _Market]

    def convert(self) -> Certificate:
        """Convert the certificate to format 2. Nothing is lost, and nothing is checked."""
        totals = self.totals
        return Certificate(
            format=FORMAT,
            source=self.source,
            exchange=self.exchange,
            data_type=self.data_type,
            day=self.day,
            rule=self.rule,
            unverifiable=_reason(self.unverifiable),
            systems=self.systems,
            file=self.file,
            made_by=self.made_by,
            totals=Totals(
                markets=totals.markets,
                rows=totals.rows,
                expected=totals.expected,
                present=totals.seen,
                missing=totals.missing,
                share_present=totals.share_present,
                burned_ids=totals.void,
                recovered_from_replica=totals.healed_by_replica,
                recovered_from_rest=totals.healed_by_rest,
                variants=totals.disagree,
            ),
            markets={name: market.convert() for name, market in self.markets.items()},
        )


def _edge(edge: _Edge | Literal["unknown"]) -> DayEdge | None:
    if isinstance(edge, str):
        return None
    return DayEdge(missing=edge.missing, missing_ids=edge.ranges, broken_links=edge.links)


def _reason(unverifiable: str | None) -> str | None:
    return NO_SEQUENCE_RULE if unverifiable == "none" else unverifiable
