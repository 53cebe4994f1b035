"""The certificate of a published day: what the day contains, what is missing, and what nobody can verify.

:class:`Certificate` is the one definition of the format.
:func:`~booktape.integrity.certificate_builder.build_certificate` makes it from the audits of a day's
recordings, :meth:`Certificate.encode` writes it, :func:`~booktape.integrity.certificate_reader.parse_certificate`
reads it, and
:func:`~booktape.integrity.certificate_rules.contradictions` checks it against its own rules.

The same recordings give the same bytes: keys are sorted, all values are integers and text, shares are decimal text
rounded down, and neither the time of making nor the number of the run is included. Unless a field says otherwise, ids
and times are integers, times are µs since 1970-01-01 UTC, ranges of ids include both ends, and intervals of time
include the start and exclude the end.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, json

from booktape.model.errors import DataError
from booktape.model.id_sets import Range, ranges_length
from booktape.model.intervals import Interval

FORMAT: Final = 2
"""The version of the format that is written. Format 1 is read too (:mod:`~booktape.integrity.certificate_v1`)."""

NO_SEQUENCE_RULE: Final = "no sequence rule"
"""Why a channel without any rule is unverifiable."""

NOTHING_NUMBERED: Final = "no numbered record"
"""Why a market is unverifiable although its rule could show loss: no record of it is numbered."""

_MILLION: Final = 1_000_000

Count = Annotated[int, Meta(ge=0)]
Share = Annotated[str, Meta(pattern=r"^[01]\.[0-9]{6}$")]
"""Decimal text with six digits, from 0.000000 to 1.000000, rounded down: only the whole is 1.000000."""

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Link = tuple[int, int]
"""Two neighbouring records between which something is missing: the id before it and the id after it."""


class InvalidCertificateError(DataError):
    """Something that is not a certificate, or one of a format that this version does not know."""


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a certificate. Every field is present, and no other one."""


class PublishedFile(_Part, frozen=True):
    """The published CSV file."""

    rows: Count
    """Rows, without the header."""

    bytes: Count
    """Size in bytes."""

    sha256: Sha256
    """SHA-256 of the file, in hex."""


class Maker(_Part, frozen=True):
    """What made the certificate and the file."""

    booktape: str
    """Version of Booktape."""

    sql_sha256: Sha256
    """SHA-256 of the merge's SQL text, in hex."""


class DayEdge(_Part, frozen=True):
    """What is missing between the day and a neighbouring day. Nobody can say to which of both days it belongs."""

    missing: Count
    """Number of ids missing."""

    missing_ids: list[Range]
    """The ids missing, as ranges."""

    broken_links: list[Link]
    """Under ``linked``: the ids before and after the place where something is missing."""


class DayEdges(_Part, frozen=True):
    """The beginning and the end of the day's sequence.

    An edge is null where nothing of the neighbouring day is known: no object shows its ids, and no uptime log says that
    an instance was connected from midnight on. Where a market has no numbered record of the day, both edges are the
    same: the ids between the days around it, which count once.
    """

    start: DayEdge | None
    """Before the day's first id."""

    end: DayEdge | None
    """After the day's last id."""

    @property
    def known(self) -> list[DayEdge]:
        """The edges that are known."""
        return [edge for edge in (self.start, self.end) if edge is not None]

    def count(self) -> int:
        """Count the ids (or links) missing at both edges, each once."""
        ids = {one for edge in self.known for one in edge.missing_ids}
        return ranges_length(ids) + len({one for edge in self.known for one in edge.broken_links})


class SequencePart(_Part, frozen=True):
    """A run of the venue's sequence ids, from the day's first to its last one.

    Trades under ``contiguous`` and ``sequenced``, book updates under ``ranged`` and ``linked`` have one.
    """

    first: int | None
    """The first id; null where the day has no numbered record."""

    last: int | None
    """The last id; null where the day has no numbered record."""

    expected: Count
    """Number of ids from ``first`` to ``last``; under ``linked`` the number of links between messages."""

    present: Count
    """Number of these that records of the day have, or that belong to another day or were burned."""

    missing: Count
    """Number of ids between ``first`` and ``last`` that no record has; under ``linked`` always 0."""

    missing_ids: list[Range]
    """The ids missing, as ranges."""

    broken_links: list[Link]
    """Under ``linked``: the ids before and after each place where something is missing; how much, nobody can say."""

    resumed_ids: list[Range]
    """Those of ``missing_ids`` up to which a snapshot in the stream restored the book. The changes stay lost."""

    other_day_ids: list[Range]
    """Ids between ``first`` and ``last`` whose records belong to a neighbouring day by the venue's time."""


class SequenceEpoch(SequencePart, frozen=True):
    """The part of the day's sequence between two sequence resets of the venue."""

    starts_at: int | None
    """Time (µs) from which the epoch's ids are valid; null where that is before the day."""


class MarketSequence(SequencePart, frozen=True):
    """The day's sequence. Where the venue reset its ids, the fields add up all epochs."""

    epochs: list[SequenceEpoch]
    """The epochs in their order, where the venue reset its ids within the day; else empty."""

    unnumbered: Count
    """Number of records without the id that the rule is about, such as trades recovered over REST."""

    @property
    def parts(self) -> Sequence[SequencePart]:
        """The epochs, or the sequence itself where there is only one."""
        return self.epochs or [self]


class BurnedIds(_Part, frozen=True):
    """Ids that the venue used for trades of amount 0. They are neither missing nor published."""

    count: Count
    """Number of ids."""

    ranges: list[Range]
    """The ids, as ranges."""


class Recovered(_Part, frozen=True):
    """Records that another system had, where the preferred ones did not."""

    replica: Count
    """Number of records that the primary lacked and the replica had."""

    rest: Count
    """Number of records that both systems lacked and the venue's REST API gave."""


class SystemAgreement(_Part, frozen=True):
    """How far the primary and the replica agree, record by record."""

    both: Count
    """Number of records that both have alike."""

    primary_only: Count
    """Number of records that only the primary has."""

    replica_only: Count
    """Number of records that only the replica has."""

    variants: Count
    """Number of records that both have under the same id with different content."""

    variant_ids: list[int | str]
    """The ids of these. One id may stand for several records."""

    incomparable: Count
    """Number of records with neither an id nor an engine time, which cannot be matched."""


class DayDowntime(_Part, frozen=True):
    """When the stream was not recorded soundly, according to the uptime logs of all instances of both systems."""

    down: list[Interval]
    """When every instance that was responsible is known to have been cut off or to have missed something."""

    down_microseconds: Count
    """Length of ``down`` in µs."""

    unknown: list[Interval]
    """When the uptime log of an instance that was responsible says nothing, and no other instance was sound."""

    unknown_microseconds: Count
    """Length of ``unknown`` in µs."""

    silent: list[Interval]
    """When an instance was connected but the stream was quiet for longer than usual, and none was sound. This need not
    be a loss."""

    silent_microseconds: Count
    """Length of ``silent`` in µs."""

    clock: Literal["exchange", "collector"] | None
    """Clock of the intervals: ``collector`` where an instance received no time of the exchange; null without a log."""

    interruptions: Count
    """How often an instance missed frames or could not determine what it missed."""


class SnapshotMismatch(_Part, frozen=True):
    """The first snapshot that differs from the rebuilt book."""

    id: int | None
    """Its last sequence id, if it has one."""

    time: int
    """The time (µs) that it is published with."""


class BookCheck(_Part, frozen=True):
    """The market's book, rebuilt from its first snapshot through all updates in the order of the file."""

    crossed: Count
    """Number of messages after which the best bid is at or above the best ask."""

    snapshots: Count
    """Number of snapshots."""

    snapshots_compared: Count
    """Number of snapshots compared to the book before them."""

    snapshots_differing: Count
    """Number of these that differ from it, as far down as both know the book."""

    first_mismatch: SnapshotMismatch | None
    """The first of these; null where none differs."""

    checksums_checked: Count
    """Number of checksums compared to the book."""

    checksums_failed: Count
    """Number of these that differ."""

    checksums_unchecked: Count
    """Number of checksums that could not be compared, since the book was not known."""


class MarketCertificate(_Part, frozen=True):
    """One market's day."""

    rows: Count
    """Rows in the CSV."""

    records: Count
    """Records behind these rows, as in the Parquet; of a book its updates. One message is one record."""

    sha256: Sha256
    """SHA-256 of the market's lines in the CSV, each with its LF, without the header."""

    first_id: int | str | None
    """The id in the first row."""

    last_id: int | str | None
    """The id in the last row."""

    unverifiable: str | None
    """Why ids cannot show what is missing: ``no sequence rule``, ``monotonic only``, ``checksum only``, ``connection
    counter`` or ``no numbered record``; null where they can."""

    share_verified: Share | None
    """Share of ``records`` that carry the id which the rule is about; null without records. It does not say what is
    missing."""

    share_present: Share | None
    """``present`` over ``expected``, to which the ids missing at the edges are added; null where nothing is
    expected."""

    sequence: MarketSequence | None
    """The day's sequence ids; null where the market is unverifiable."""

    edges: DayEdges
    """What is missing between this day and its neighbours."""

    burned_ids: BurnedIds
    """Ids that the venue used for nothing."""

    recovered: Recovered
    """Records that the primary did not have."""

    agreement: SystemAgreement | None
    """How far the systems agree; null where there is no replica."""

    downtime: DayDowntime
    """When the stream was not recorded soundly."""

    book: BookCheck | None
    """Checks of the rebuilt book; null for other data types."""

    def missing(self) -> tuple[int, int]:
        """Count the ids (or links) missing, those at the edges included, and the ranges that they lie in."""
        if self.sequence is None:
            return 0, 0
        ids, links = set(self.sequence.missing_ids), set(self.sequence.broken_links)
        for edge in self.edges.known:
            ids.update(edge.missing_ids)
            links.update(edge.broken_links)
        return ranges_length(ids) + len(links), len(ids) + len(links)

    @property
    def is_lost(self) -> bool:
        """Whether no numbered record of the day is present, and the days around it show that there were some."""
        return self.sequence is not None and self.sequence.first is None and self.edges.count() > 0

    def expected_and_present(self) -> tuple[int, int]:
        """The ids (or links) expected, those missing at the edges included, and those present."""
        if self.sequence is None:
            return 0, 0
        return self.sequence.expected + self.edges.count(), self.sequence.present


class Totals(_Part, frozen=True):
    """The markets, added up."""

    markets: Count
    """Number of markets."""

    rows: Count
    """Rows in the CSV."""

    expected: Count | None
    """Ids (or links) expected, those missing at the edges included; null where no market is numbered."""

    present: Count | None
    """Number of these that are present."""

    missing: Count | None
    """Number of these that are missing."""

    share_present: Share | None
    """``present`` over ``expected``; null where nothing is expected. A source's ``threshold`` applies to it."""

    burned_ids: Count
    """Ids that the venue used for nothing."""

    recovered_from_replica: Count
    """Records that the primary lacked and the replica had."""

    recovered_from_rest: Count
    """Records that both systems lacked and the venue's REST API gave."""

    variants: Count
    """Records that both systems have with different content."""


class Certificate(_Part, frozen=True):
    """A day of one data source."""

    format: Literal[2]
    """Version of the format."""

    source: str
    """Name of the data source, such as ``binance-trades``."""

    exchange: str
    """Id of the exchange."""

    data_type: str
    """Published data type, such as ``trades``."""

    day: date
    """The UTC day, as ``2024-08-09``."""

    rule: str
    """Sequence rule that the exchange's channel declares."""

    unverifiable: str | None
    """Why ids can never show loss under this rule; null where they can. See the markets' ``unverifiable``."""

    systems: list[str]
    """The systems that were merged, in their order of preference: ``primary``, ``replica``, ``rest``."""

    file: PublishedFile
    """The CSV."""

    made_by: Maker
    """Versions of what made the file."""

    totals: Totals
    """The markets, added up."""

    markets: dict[str, MarketCertificate]
    """All markets that were to be recorded: any system has an object of the day or of a neighbouring day, or an uptime
    log of the day names it."""

    def encode(self) -> bytes:
        """Encode the certificate as indented JSON with sorted keys: the same certificate gives the same bytes."""
        return json.format(json.encode(self, order="sorted"), indent=1) + b"\n"


def share(part: int, whole: int) -> str | None:
    """Divide two counts; the result is decimal text with six digits, rounded down, or None where ``whole`` is 0."""
    if not whole:
        return None
    millionths = part * _MILLION // whole
    return f"{millionths // _MILLION}.{millionths % _MILLION:06d}"


def total_markets(markets: Iterable[MarketCertificate]) -> Totals:
    """Add the markets up."""
    every = list(markets)
    numbered = [market.expected_and_present() for market in every if market.sequence is not None]
    expected, present = sum(one for one, _ in numbered), sum(one for _, one in numbered)
    return Totals(
        markets=len(every),
        rows=sum(market.rows for market in every),
        expected=expected if numbered else None,
        present=present if numbered else None,
        missing=expected - present if numbered else None,
        share_present=share(present, expected),
        burned_ids=sum(market.burned_ids.count for market in every),
        recovered_from_replica=sum(market.recovered.replica for market in every),
        recovered_from_rest=sum(market.recovered.rest for market in every),
        variants=sum(market.agreement.variants for market in every if market.agreement is not None),
    )
