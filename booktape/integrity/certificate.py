"""A certificate: what is proven of one day of one data source, as plain data and as bytes.

The same recordings give the same bytes: keys are sorted, shares are decimal text made of integers and rounded down, and
neither the time of making nor the number of the run is in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import json

from booktape.integrity.audit import MarketAudit
from booktape.integrity.replica_audit import ReplicaAudit
from booktape.integrity.sequence_audit import Edge, SequenceLoss
from booktape.model.gap import Gap
from booktape.model.id_sets import Range
from booktape.model.intervals import total_length

CERTIFICATE_FORMAT: Final = 1
NOTHING_NUMBERED: Final = "no numbered record"
"""Why a market is unverifiable of which numbers could show loss: nothing is known of them."""

_MILLION: Final = 1_000_000
_CLOCKS: Final = {True: "exchange", False: "collectors", None: None}

Plain = dict[str, Any]
FirstAndLast = tuple[int | str | None, int | str | None]


@dataclass(frozen=True, slots=True)
class Heading:
    """What a certificate is about. ``sql`` is the SHA-256 of the merge's SQL text, ``code`` this program's version."""

    source: str
    exchange: str
    data_type: str
    day: str
    rule: str
    unverifiable: str | None
    rows: int
    bytes: int
    sha256: str
    sql: str
    code: str
    systems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """How many of the venue's numbers (or links) are there, in all markets; ``expected`` None: nothing is numbered."""

    seen: int
    expected: int | None

    @property
    def share(self) -> str | None:
        """Decimal text with six digits, rounded down; None where no number is known of that should be there."""
        return share(self.seen, self.expected) if self.expected else None


def share(part: int, whole: int) -> str | None:
    """A share as decimal text with six digits. Rounded down: only the whole is 1. None of nothing."""
    if not whole:
        return None
    millionths = part * _MILLION // whole
    return f"{millionths // _MILLION}.{millionths % _MILLION:06d}"


def present(losses: Iterable[SequenceLoss]) -> Present:
    """What is there of all markets together. What is missing between two days counts for either."""
    seen = expected = 0
    numbered = False
    for loss in losses:
        if loss.expected is None or loss.seen is None:
            continue
        numbered = True
        seen += loss.seen
        expected += loss.expected + loss.at_edges
    return Present(seen, expected if numbered else None)


def build_certificate(heading: Heading, markets: Mapping[str, MarketAudit], ids: Mapping[str, FirstAndLast]) -> Plain:
    """The whole certificate.

    :param ids: the first and the last id of each market's rows in the file.
    """
    told = {name: _market(market, ids.get(name), heading) for name, market in markets.items()}
    return {
        "format": CERTIFICATE_FORMAT,
        "source": heading.source,
        "exchange": heading.exchange,
        "data_type": heading.data_type,
        "day": heading.day,
        "rule": heading.rule,
        "unverifiable": heading.unverifiable,
        "systems": list(heading.systems),
        "file": {"rows": heading.rows, "bytes": heading.bytes, "sha256": heading.sha256},
        "made_by": {"booktape": heading.code, "sql_sha256": heading.sql},
        "totals": _totals(markets),
        "markets": told,
    }


def encode_certificate(plain: Plain) -> bytes:
    """The bytes of a certificate, readable and always the same."""
    return json.format(json.encode(plain, order="sorted"), indent=1) + b"\n"


def _totals(markets: Mapping[str, MarketAudit]) -> Plain:
    there = present(market.loss for market in markets.values())
    return {
        "markets": len(markets),
        "rows": sum(market.rows for market in markets.values()),
        "expected": there.expected,
        "seen": there.seen if there.expected is not None else None,
        "missing": there.expected - there.seen if there.expected is not None else None,
        "share_present": there.share,
        "void": sum(_count(market.void) for market in markets.values()),
        "healed_by_replica": sum(market.agreement.by_replica for market in markets.values()),
        "healed_by_rest": sum(market.agreement.by_rest for market in markets.values()),
        "disagree": sum(market.agreement.disagree for market in markets.values()),
    }


def _market(market: MarketAudit, ids: FirstAndLast | None, heading: Heading) -> Plain:
    loss = market.loss
    first, last = ids if ids is not None else (None, None)
    return {
        "rows": market.rows,
        "records": market.records,
        "sha256": market.sha256,
        "first_id": first,
        "last_id": last,
        "unverifiable": market.why or (NOTHING_NUMBERED if loss.expected is None else None),
        "share_verified": share(_verified(market), market.records),
        "share_present": present([loss]).share,
        "numbers": _numbers(market) if loss.expected is not None else None,
        "edges": {"start": _edge(loss.start), "end": _edge(loss.end)},
        "void": {"count": _count(market.void), "ranges": market.void},
        "healed": {"replica": market.agreement.by_replica, "rest": market.agreement.by_rest},
        "agreement": _agreement(market.agreement) if "replica" in heading.systems else None,
        "downtime": {
            "down": market.downtime.down,
            "down_microseconds": total_length(market.downtime.down),
            "unknown": market.downtime.unknown,
            "unknown_microseconds": total_length(market.downtime.unknown),
            "silent": market.downtime.silent,
            "silent_microseconds": total_length(market.downtime.silent),
            "clock": _CLOCKS[market.downtime.by_exchange],
            "breaks": market.downtime.breaks,
        },
        "book": _book(market),
    }


def _verified(market: MarketAudit) -> int:
    """How many of the day's published records the venue's numbers vouch for."""
    numbered = market.why is None and market.loss.expected is not None
    return market.records - market.unnumbered if numbered else 0


def _numbers(market: MarketAudit) -> Plain:
    eras = [{"from": era.begins, **_of_era(era.loss)} for era in market.loss.eras]
    return {**_of_era(market.loss), "eras": eras, "unnumbered": market.unnumbered}


def _of_era(loss: SequenceLoss) -> Plain:
    return {
        "first": loss.first,
        "last": loss.last,
        "expected": loss.expected,
        "seen": loss.seen,
        "missing": _count(loss.missing),
        "ranges": loss.missing,
        "links": _links(loss.links),
        "resumed": loss.resumed,
        "elsewhere": loss.elsewhere,
    }


def _edge(edge: Edge) -> Plain | str:
    if not edge.known:
        return "unknown"
    return {"missing": _count(edge.missing), "ranges": edge.missing, "links": _links(edge.links)}


def _links(gaps: Iterable[Gap]) -> list[tuple[int, int]]:
    """Each gap between linked messages as the ids of the messages before and after it."""
    return [(gap.first - 1, gap.last + 1) for gap in gaps]


def _agreement(agreement: ReplicaAudit) -> Plain:
    return {
        "both": agreement.both,
        "primary_only": agreement.primary_only,
        "replica_only": agreement.replica_only,
        "disagree": agreement.disagree,
        "disagreeing": agreement.disagreeing,
        "untold": agreement.untold,
    }


def _book(market: MarketAudit) -> Plain | None:
    book = market.book
    if book is None:
        return None
    mismatch = book.mismatch
    return {
        "crossed": book.crossed,
        "snapshots": book.snapshots,
        "snapshots_compared": book.compared,
        "snapshots_differing": book.differing,
        "first_mismatch": None if mismatch is None else {"id": mismatch[0], "time": mismatch[1]},
        "checksums_checked": book.checked,
        "checksums_failed": book.failed,
        "checksums_unchecked": book.unchecked,
    }


def _count(ranges: Iterable[Range]) -> int:
    return sum(last - first + 1 for first, last in ranges)
