"""What is proven of a market's day, from records that are written out."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from booktape.integrity.audit import Evidence, audit_market
from booktape.integrity.certificate import share
from booktape.integrity.certificate_builder import build_market
from booktape.integrity.ordering import ObjectRecords
from booktape.integrity.sequence_audit import Edge
from booktape.merge.reference import StoredRecord, merge_trades
from booktape.model import csv
from booktape.model.records import DAY, MINUTE, SECOND, TRADES, Trade
from booktape.model.uptime import StreamInterval
from tests.integrity.auditing import MIDNIGHT, PRIMARY, REPLICA, REST, THE_DAY, line, proven, terms, trade
from tests.model.uptime_gaps import logged


def test_what_one_system_lacks_the_other_heals() -> None:
    market = proven(
        [
            (PRIMARY, [trade(n) for n in (1, 2, 5, 6)]),
            (REPLICA, [trade(n) for n in (2, 3, 4, 5)]),
            (REST, [trade(8)]),
        ]
    )
    assert (market.rows, market.loss.first, market.loss.last) == (7, 1, 8)
    assert (market.loss.expected, market.loss.present, market.loss.missing) == (8, 7, [(7, 7)])
    found = market.agreement
    assert (found.both, found.primary_only, found.replica_only, found.variants) == (2, 2, 2, 0)
    assert (found.from_replica, found.from_rest) == (2, 1)


def test_a_trade_that_the_systems_tell_differently_is_a_disagreement() -> None:
    market = proven([(PRIMARY, [trade(1), trade(2)]), (REPLICA, [trade(1), trade(2, amount="0.6")])])
    found = market.agreement
    assert (found.both, found.primary_only, found.replica_only, found.variants) == (1, 0, 0, 1)
    assert (market.rows, found.variant_ids) == (2, [2])


def test_an_ordinary_day_is_never_held_whole() -> None:
    """Also where ids begin at 0: only what does not fit into the window of time may cost that memory."""

    def never() -> list[list[StoredRecord[Trade]]]:
        raise AssertionError("all of the day's records were asked for")

    parts = [ObjectRecords(batch[0].timestamp, PRIMARY, True, partial(list, batch)) for batch in minutes(range(60))]
    numbered = [replace(part, begins=number * 10) for number, part in enumerate(parts)]
    assert audit_market(terms(), Evidence(numbered, None, [], never)).rows == 60


def test_a_day_whose_times_run_against_its_ids_is_held_whole_and_proven_all_the_same() -> None:
    late = [trade(1), trade(2, MIDNIGHT + 30 * MINUTE), trade(3, MIDNIGHT + 40 * MINUTE), trade(4)]
    market = proven([(PRIMARY, late)])
    in_file = [late[0], late[3], late[1], late[2]]
    lines = csv.csv_text(TRADES, [row for one in in_file for row in csv.csv_rows("binance", "BTC-USDT", one)])
    assert market.sha256 == sha256(lines.partition("\n")[2].encode()).hexdigest()


def test_ids_that_the_venue_used_up_are_void_and_not_missing() -> None:
    market = proven([(PRIMARY, [trade(1), trade(2, amount="0.000"), trade(3)])])
    assert (market.rows, market.burned_ids, market.loss.missing) == (2, [(2, 2)], [])


def test_an_id_that_the_venues_time_puts_into_the_day_before_is_not_missing() -> None:
    market = proven([(PRIMARY, [trade(1), trade(2, MIDNIGHT - 1), trade(3)])])
    assert (market.rows, market.loss.other_day_ids, market.loss.missing) == (2, [(2, 2)], [])


def test_the_edges_are_unknown_without_a_neighbouring_day() -> None:
    market = proven([(PRIMARY, [trade(5), trade(6)])])
    assert (market.loss.start, market.loss.end) == (Edge(known=False), Edge(known=False))


def test_what_is_missing_between_two_days_is_told_at_the_edge_and_counts() -> None:
    market = proven([(PRIMARY, [trade(5), trade(6), trade(9, MIDNIGHT + DAY)])], before=2)
    assert market.loss.start == Edge(known=True, missing=[(3, 4)])
    assert market.loss.end == Edge(known=True, missing=[(7, 8)])
    assert market.loss.missing == []
    certified = build_market(market)
    assert (certified.expected_and_present(), certified.share_present) == ((6, 2), "0.333333")


def test_edges_are_known_where_somebody_listened_all_the_time() -> None:
    market = proven(
        [(PRIMARY, [trade(5), trade(6)])],
        ledger=[[line(StreamInterval("connected", MIDNIGHT, MIDNIGHT + 10 * SECOND))]],
    )
    assert (market.loss.start.known, market.loss.end.known) == (True, False)


def test_downtime_is_when_no_instance_was_connected_and_sound() -> None:
    one = line(
        StreamInterval("connected", MIDNIGHT, MIDNIGHT + 100),
        StreamInterval("down", MIDNIGHT + 100, MIDNIGHT + 300),
        StreamInterval("connected", MIDNIGHT + 300, MIDNIGHT + 1_000),
        gaps=[logged(MIDNIGHT + 500, MIDNIGHT + 599, "counter", MIDNIGHT + 600)],
    )
    other = line(
        StreamInterval("connected", MIDNIGHT, MIDNIGHT + 200),
        StreamInterval("resyncing", MIDNIGHT + 200, MIDNIGHT + 550),
        StreamInterval("connected", MIDNIGHT + 550, MIDNIGHT + 1_000),
        instance="b",
    )
    down = proven([(PRIMARY, [trade(1)])], ledger=[[one], [other]]).downtime
    assert down.down == [(MIDNIGHT + 200, MIDNIGHT + 300), (MIDNIGHT + 500, MIDNIGHT + 550)]
    assert down.unknown == [(MIDNIGHT + 1_000, MIDNIGHT + DAY)]
    assert down.interruptions == 1


def test_without_a_ledger_the_whole_day_is_unknown() -> None:
    assert proven([(PRIMARY, [trade(1)])]).downtime.unknown == [(MIDNIGHT, MIDNIGHT + DAY)]


def test_what_no_number_shows_is_unverifiable_and_never_whole() -> None:
    market = proven([(PRIMARY, [trade(1), trade(9)])], terms(TRADES, "monotonic"))
    assert (market.unverifiable, market.loss.expected, market.rows) == ("monotonic only", None, 2)


def test_shares_are_rounded_down() -> None:
    assert [share(1, 1), share(9_999_999, 10_000_000), share(2, 3), share(0, 5)] == [
        "1.000000", "0.999999", "0.666666", "0.000000",
    ]  # fmt: skip


def minutes(numbers: Iterable[int]) -> list[list[Trade]]:
    """Batches of trades as a collector cuts them: ten trades to a minute."""
    found: dict[int, list[Trade]] = {}
    for number in sorted(numbers):
        found.setdefault(number // 10, []).append(trade(number, MIDNIGHT + number * MINUTE // 10))
    return list(found.values())


NUMBERS = range(1, 60)
subsets = st.sets(st.sampled_from(NUMBERS))


@given(subsets, subsets, subsets)
def test_whatever_each_system_lost_missing_is_exactly_what_all_lack(
    primary: set[int], replica: set[int], rest: set[int]
) -> None:
    """The edges too: the days before and after are there."""
    kept = [set(NUMBERS) - primary, set(NUMBERS) - replica, rest]
    after = trade(60, MIDNIGHT + DAY + 1)
    batches = [(system, batch) for system, numbers in enumerate(kept) for batch in minutes(numbers)]
    market = proven([*batches, (PRIMARY, [after])], before=0)
    there = kept[0] | kept[1] | kept[2]
    lacking = sorted(set(NUMBERS) - there)
    loss = market.loss
    told = sorted((*loss.start.missing, *loss.missing, *loss.end.missing))
    if there:
        assert [number for first, last in told for number in range(first, last + 1)] == lacking
        assert build_market(market).expected_and_present()[1] == len(there)
    found = market.agreement
    assert found.both == len(kept[0] & kept[1])
    assert (found.primary_only, found.replica_only) == (len(kept[0] - kept[1]), len(kept[1] - kept[0]))
    assert found.from_rest == len(kept[2] - kept[0] - kept[1])
    assert market.rows == len(there)


def test_a_lost_day_is_the_hole_between_the_days_around_it_and_counts_once() -> None:
    market = proven([(PRIMARY, [trade(9, MIDNIGHT + DAY), trade(12, MIDNIGHT + DAY + 1)])], before=4)
    hole = Edge(known=True, missing=[(5, 8)])
    assert (market.rows, market.loss.first, market.loss.start, market.loss.end) == (0, None, hole, hole)
    certified = build_market(market)
    assert (certified.expected_and_present(), certified.share_present, certified.is_lost) == ((4, 0), "0.000000", True)


def test_a_day_without_a_trade_whose_neighbours_numbers_meet_lacks_nothing() -> None:
    market = proven([(PRIMARY, [trade(5, MIDNIGHT + DAY)])], before=4)
    assert (market.loss.start, market.loss.end) == (Edge(known=True), Edge(known=True))
    certified = build_market(market)
    assert (certified.expected_and_present(), certified.share_present, certified.is_lost) == ((0, 0), None, False)


def test_of_a_day_without_a_trade_nothing_is_known_unless_both_neighbours_are() -> None:
    for batches, before in (
        ([(PRIMARY, [trade(9, MIDNIGHT + DAY)])], None),
        ([(PRIMARY, [trade(3, MIDNIGHT - 1)])], 2),
    ):
        market = proven(batches, before=before)
        assert (market.loss.expected, market.loss.start, market.loss.end) == (None, Edge(False), Edge(False))


def test_a_late_trade_of_the_day_before_is_where_a_lost_day_begins() -> None:
    market = proven([(PRIMARY, [trade(5, MIDNIGHT - 1)]), (REPLICA, [trade(9, MIDNIGHT + DAY)])], before=4)
    assert market.loss.start.missing == [(6, 8)]


def unnumbered(identifier: str, time: int) -> Trade:
    return Trade(identifier, MIDNIGHT + time, "buy", "10", "1", MIDNIGHT + time + 1_000)


def test_a_trade_of_one_id_that_the_systems_tell_with_two_times_is_published_once() -> None:
    """Where nothing is numbered trades stand at their times; the file has one of each id, the primary's."""
    one, other, later = unnumbered("a", 5), unnumbered("a", 9), unnumbered("b", 7)
    market = proven([(PRIMARY, [one, later]), (REPLICA, [later, other])], terms(TRADES, "none"))
    lines = csv.csv_text(TRADES, [row for trade in (one, later) for row in csv.csv_rows("binance", "BTC-USDT", trade)])
    assert (market.rows, market.sha256) == (2, sha256(lines.partition("\n")[2].encode()).hexdigest())
    found = market.agreement
    assert (found.both, found.variants, found.variant_ids, found.primary_only, found.replica_only) == (
        1, 1, ["a"], 0, 0,
    )  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 20)), unique=True),
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 20)), unique=True),
)
def test_whatever_times_the_systems_tell_of_an_id_the_proof_is_as_the_merge(
    primary: list[tuple[str, int]], replica: list[tuple[str, int]]
) -> None:
    systems = [
        [unnumbered(name, time) for name, time in sorted(some, key=lambda one: one[1])] for some in (primary, replica)
    ]
    market = proven([(system, trades) for system, trades in enumerate(systems) if trades], terms(TRADES, "none"))
    stored = [[StoredRecord("BTC-USDT", THE_DAY, trade) for trade in trades] for trades in systems]
    rows = [
        row
        for one in merge_trades(THE_DAY, stored[0], stored[1])
        for row in csv.csv_rows("binance", "BTC-USDT", one.record)
    ]
    assert market.sha256 == sha256(csv.csv_text(TRADES, rows).partition("\n")[2].encode()).hexdigest()
    found = market.agreement
    assert found.both + found.variants == len({name for name, _ in primary} & {name for name, _ in replica})
    assert found.both + found.variants + found.primary_only + found.replica_only == market.rows == market.records
