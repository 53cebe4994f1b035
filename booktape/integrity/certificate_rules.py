"""What a certificate says of itself, held against the rest of it, and against what the venue is declared to promise.

Everything that other fields of the certificate determine is computed anew: totals, shares, counts of ranges, lengths of
intervals, causes of what is unverifiable. Pure: nothing is read, not even the file.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import pairwise
from typing import Any, Final

from booktape.exchanges import UnknownExchangeError, exchange
from booktape.exchanges.spec import Channel
from booktape.integrity.audit import SYSTEMS, unverifiable
from booktape.integrity.certificate import NOTHING_NUMBERED, share
from booktape.integrity.sequence_audit import CHAINED, COUNTED
from booktape.integrity.uptime_log import day_start
from booktape.model.csv import PUBLISHED
from booktape.model.records import BOOK_UPDATES, QUOTES, TRADES
from booktape.model.sequence import CHECKSUM, CONTIGUOUS

Plain = dict[str, Any]
Pairs = list[list[int]]

_INTERVALS: Final = ("down", "silent", "unknown")


def contradictions(certificate: Plain) -> Iterator[str]:
    """What in a certificate contradicts the rest of it, or what the venue is declared to promise.

    Raises KeyError, TypeError, AttributeError or ValueError where something that every certificate has is not there.
    """
    yield from _of_declaration(certificate)
    markets: Mapping[str, Plain] = certificate["markets"]
    for name, market in markets.items():
        for what, told, computed in _of_market(certificate, market):
            if told != computed:
                yield _contradicts(f"{what} of {name}", told, computed)
        yield from (
            f"the certificate contradicts itself: {name}: {fault}" for fault in _impossible(certificate, market)
        )
    for name, value in _totals(markets).items():
        if certificate["totals"][name] != value:
            yield _contradicts(f"the total of {name}", certificate["totals"][name], value)
    rows = sum(market["rows"] for market in markets.values())
    if certificate["file"]["rows"] != rows:
        yield _contradicts("the file's rows", certificate["file"]["rows"], rows)


def _contradicts(what: str, told: object, computed: object) -> str:
    return f"the certificate contradicts itself: {what}: told as {told}, by the rest of it {computed}"


def _channel(venue: str, data_type: str) -> Channel:
    """The channel that carries a published data type; some venues send their books as whole snapshots only."""
    declared = exchange(venue)
    if data_type == BOOK_UPDATES and declared.book is not None:
        return declared.book
    return declared.channel(data_type)


def _of_declaration(certificate: Plain) -> Iterator[str]:
    """Whether the rule is the venue's, and what follows from it."""
    venue, data_type, rule = certificate["exchange"], certificate["data_type"], certificate["rule"]
    if data_type not in PUBLISHED:
        yield f"the certificate is of {data_type}, which is not published; these are: {', '.join(PUBLISHED)}"
        return
    try:
        declared = _channel(venue, data_type).rule
    except UnknownExchangeError as error:
        yield f"the certificate's {error}"
        return
    except KeyError:
        yield f"the certificate is of {data_type} of {venue}, which has none"
        return
    if rule != declared:
        yield f"the rule: {rule} in the certificate, {declared} as {venue} is declared"
    why = unverifiable(declared, data_type)
    if certificate["unverifiable"] != why:
        told = certificate["unverifiable"]
        yield f"why nothing is verifiable: {told} in the certificate, {why} as {venue} is declared"
    if certificate["day"] != str(date.fromisoformat(certificate["day"])):
        yield f"the certificate's day is {certificate['day']!r}, not as 2019-10-25"
    systems = certificate["systems"]
    if systems != [system for system in SYSTEMS if system in systems]:
        yield f"the certificate's systems are {systems}; there are: {', '.join(SYSTEMS)}"


def _of_market(certificate: Plain, market: Plain) -> Iterator[tuple[str, object, object]]:
    """What is told of a market's fields, and what the others make of them."""
    numbers, edges, void = market["numbers"], market["edges"], market["void"]
    why = certificate["unverifiable"]
    yield "why it is unverifiable", market["unverifiable"], why or (NOTHING_NUMBERED if numbers is None else None)
    verified = market["records"] - numbers["unnumbered"] if numbers is not None else 0
    yield "the share that is verified", market["share_verified"], share(verified, market["records"])
    expected, seen = _expected_and_seen(market)
    yield "the share that is present", market["share_present"], share(seen, expected)
    if certificate["data_type"] != BOOK_UPDATES:
        yield "the records", market["records"], market["rows"]
    yield "the ids that are void", void["count"], ranges_length(void["ranges"])
    if numbers is not None:
        for one in numbers["eras"] or [numbers]:
            yield from _of_numbers(certificate, one)
        for name in ("expected", "seen", "missing") if numbers["eras"] else ():
            yield f"the ids {name} in all eras", numbers[name], sum(era[name] for era in numbers["eras"])
    for edge in edges.values():
        if edge != "unknown":
            yield "the ids missing at an edge", edge["missing"], ranges_length(edge["ranges"])
    for name in _INTERVALS:
        if name in market["downtime"]:
            told = market["downtime"]
            yield f"the time {name}", told[f"{name}_microseconds"], sum(end - start for start, end in told[name])
    agreement = market["agreement"]
    yield "whether systems are compared", agreement is not None, "replica" in certificate["systems"]
    yield (
        "the records healed by the replica",
        market["healed"]["replica"],
        agreement["replica_only"] if agreement else 0,
    )
    if agreement is not None and _shows_all(certificate, agreement):
        had = sum(agreement[name] for name in ("both", "primary_only", "replica_only", "disagree"))
        again = 0 if certificate["data_type"] == TRADES else agreement["disagree"]  # both tellings are published
        records = market["records"] + void["count"]
        yield "the records that any system had", had + again + market["healed"]["rest"], records
    yield "whether there is a book", market["book"] is not None, certificate["data_type"] == BOOK_UPDATES


def _shows_all(certificate: Plain, agreement: Plain) -> bool:
    """Whether each published record is counted under ``agreement``, by what tells it from all others."""
    if certificate["data_type"] == TRADES:
        return bool(certificate["rule"] == CONTIGUOUS)
    compared = certificate["data_type"] in (BOOK_UPDATES, QUOTES) and certificate["rule"] != CHECKSUM
    return compared and not agreement["untold"]


def _of_numbers(certificate: Plain, numbers: Plain) -> Iterator[tuple[str, object, object]]:
    first, last, links = numbers["first"], numbers["last"], len(numbers["links"])
    yield "the missing ids", numbers["missing"], ranges_length(numbers["ranges"])
    yield "the ids expected", numbers["expected"], numbers["seen"] + numbers["missing"] + links
    if (certificate["rule"], certificate["data_type"]) in COUNTED:
        span = 0 if first is None else last - first + 1
        yield "the ids from the first to the last", numbers["expected"], span


def _impossible(certificate: Plain, market: Plain) -> Iterator[str]:
    """What cannot be, whatever the other fields say."""
    numbers, edges, book = market["numbers"], market["edges"], market["book"]
    kind = (certificate["rule"], certificate["data_type"])
    if numbers is not None and kind not in COUNTED | CHAINED:
        yield f"numbers under the rule {certificate['rule']}"
    if numbers is None and any(edge != "unknown" for edge in edges.values()):
        yield "an edge is known of a market without numbers"
    if numbers is not None:
        yield from _impossible_eras(numbers, edges)
    if certificate["data_type"] != TRADES and market["void"]["count"]:
        yield "ids that are void, of what are no trades"
    if market["healed"]["rest"] and "rest" not in certificate["systems"]:
        yield "records from REST without such a system"
    agreement = market["agreement"]
    if agreement is not None and not _may_disagree(certificate["data_type"], **agreement):
        yield f"{agreement['disagree']} records told differently, of these ids: {agreement['disagreeing']}"
    for where, told in (("void", market["void"]), *((name, edge) for name, edge in edges.items() if edge != "unknown")):
        if not _is_ordered(told["ranges"]):
            yield f"its {where} ids are not in order: {told['ranges']}"
    yield from _impossible_times(certificate["day"], market["downtime"])
    if book is not None:
        yield from _impossible_book(certificate["rule"], book)


def _may_disagree(data_type: str, *, disagree: int, disagreeing: list[int | str], **_: object) -> bool:
    """Each id of which records are told differently is named once; of trades there is one record of each."""
    ids = len(set(disagreeing))
    return ids == len(disagreeing) and (ids == disagree if data_type == TRADES else (ids > 0) == (disagree > 0))


def _impossible_eras(numbers: Plain, edges: Plain) -> Iterator[str]:
    """The same of each era: the first one's beginning is the day's, and so is the last one's end."""
    eras = numbers["eras"]
    if not eras:
        yield from _impossible_numbers(numbers, edges)
        return
    begins = [era["from"] for era in eras]
    if begins[1:] != sorted(begins[1:]) or len(eras) == 1:
        yield f"eras that begin at {begins}"
    yield from _impossible_numbers(eras[0], {"start": edges["start"]})
    for era in eras[1:-1]:
        yield from _impossible_numbers(era, {})
    yield from _impossible_numbers(eras[-1], {"end": edges["end"]})


def _impossible_numbers(numbers: Plain, edges: Plain) -> Iterator[str]:
    first, last = numbers["first"], numbers["last"]
    inside = [pair for name in ("ranges", "elsewhere") for pair in numbers[name]]
    if (first is None) != (last is None) or (first is not None and first > last):
        yield f"its numbers go from {first} to {last}"
    elif first is None and (inside or numbers["expected"]):
        yield "numbers of a day that has none"
    elif any(start < first or end > last for start, end in inside):
        yield f"ranges that do not lie between its first and last number, {first} and {last}"
    for name in ("ranges", "elsewhere", "resumed"):
        if not _is_ordered(numbers[name]):
            yield f"its {name} are not in order: {numbers[name]}"
    if any(
        not any(start <= low and high <= end for start, end in numbers["ranges"]) for low, high in numbers["resumed"]
    ):
        yield f"resumed ids that are not missing: {numbers['resumed']}"
    yield from _impossible_edges(first, last, edges)


def _impossible_edges(first: int | None, last: int | None, edges: Plain) -> Iterator[str]:
    """An edge's hole lies directly before or after the day; of a day without a number both edges tell the same one."""
    if first is None or last is None:
        if "start" in edges and "end" in edges and edges["start"] != edges["end"]:
            yield "edges that differ, of a day without a number between them"
        return
    for name, edge in edges.items():
        holes = [] if edge == "unknown" else edge["ranges"]
        if any((end != first - 1 if name == "start" else start != last + 1) for start, end in holes):
            yield f"its edge at the {name} is not where the day's numbers {name}: {holes}"


def _impossible_times(day: str, downtime: Plain) -> Iterator[str]:
    begin, end = day_start(date.fromisoformat(day))
    told = sorted(pair for name in _INTERVALS for pair in downtime.get(name, ()))
    if any(not begin <= start < stop <= end for start, stop in told):
        yield "times without anybody listening that are not of the day"
    if any(one[1] > other[0] for one, other in pairwise(told)):
        yield "times without anybody listening that are told twice"


def _impossible_book(rule: str, book: Plain) -> Iterator[str]:
    if not book["snapshots_differing"] <= book["snapshots_compared"] <= book["snapshots"]:
        yield "more snapshots that differ than were compared, or than there are"
    if bool(book["snapshots_differing"]) != (book["first_mismatch"] is not None):
        yield f"{book['snapshots_differing']} snapshots that differ, the first of them {book['first_mismatch']}"
    if book["checksums_failed"] > book["checksums_checked"]:
        yield "more checksums that failed than were checked"
    if rule != CHECKSUM and any(book[f"checksums_{name}"] for name in ("checked", "failed", "unchecked")):
        yield f"checksums under the rule {rule}"


def _is_ordered(ranges: Pairs) -> bool:
    return all(start <= end for start, end in ranges) and all(one[1] < two[0] for one, two in pairwise(ranges))


def _totals(markets: Mapping[str, Plain]) -> Plain:
    all_markets = list(markets.values())
    numbered = [_expected_and_seen(market) for market in all_markets if market["numbers"] is not None]
    expected, seen = (sum(counts) for counts in zip(*numbered, strict=True)) if numbered else (None, None)
    return {
        "markets": len(all_markets),
        "rows": sum(market["rows"] for market in all_markets),
        "expected": expected,
        "seen": seen,
        "missing": None if expected is None or seen is None else expected - seen,
        "share_present": None if expected is None or seen is None else share(seen, expected),
        "void": sum(market["void"]["count"] for market in all_markets),
        "healed_by_replica": sum(market["healed"]["replica"] for market in all_markets),
        "healed_by_rest": sum(market["healed"]["rest"] for market in all_markets),
        "disagree": sum(market["agreement"]["disagree"] for market in all_markets if market["agreement"] is not None),
    }


def _expected_and_seen(market: Plain) -> tuple[int, int]:
    """The numbers (or links) that should be there, those missing at the edges included, and those that are."""
    numbers = market["numbers"]
    if numbers is None:
        return 0, 0
    edges = [edge for edge in market["edges"].values() if edge != "unknown"]
    holes = {tuple(hole) for edge in edges for hole in edge["ranges"]}
    links = {tuple(link) for edge in edges for link in edge["links"]}
    return numbers["expected"] + ranges_length(holes) + len(links), numbers["seen"]


def ranges_length(ranges: Iterable[Iterable[int]]) -> int:
    """How many ids lie in some ranges, of which both ends are included."""
    return sum(last - first + 1 for first, last in ranges)
