"""A venue that begins its numbers anew within a day, and again: each era is merged by itself, one after the other."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from booktape.merge import Merge, MergeFailedError, NothingToMergeError, athena_engine, epochs, open_engine
from booktape.merge.statement import statement
from booktape.model.records import MINUTE, SECOND, BookSnapshot, Quote
from booktape.model.records import Trade as StoredTrade
from booktape.model.resets import Reset
from tests.merge.binance import Collector, Depth, Event, Trade
from tests.merge.systems import Systems, at, memory_store, open_systems, put

DAY, NEXT = date(2024, 8, 8), date(2024, 8, 9)
NOON = at(DAY, 12 * 3600 * SECOND)
START = NOON // 1_000  # ms
TRADES, BOOK, QUOTES = (Merge("binance", data_type, DAY) for data_type in ("trades", "book_updates", "quotes"))


def trade(number: int, second: float, price: str = "10") -> StoredTrade:
    time = NOON + int(second * SECOND)
    return StoredTrade(number, time, "buy", price, "1", time + 5)


class Run(NamedTuple):
    """What one process of a system received: all of the stream but what it dropped, and by what clock (ms late)."""

    system: int
    shift: int
    frames: list[tuple[int, Event]]


class Played(NamedTuple):
    """What a venue sent in each of its eras, and what was received of it."""

    eras: list[list[Event]]
    runs: list[Run]

    def sent(self, kind: type[Event]) -> list[Event]:
        return [event for events in self.eras for event in events if isinstance(event, kind)]

    def record(self, systems: Systems) -> None:
        for number, run in enumerate(self.runs):
            store = (systems.primary, systems.replica)[run.system]
            Collector(store, run.shift).record(run.frames, received=(START + 7 * number) * 1_000)


@st.composite
def eras_of(draw: st.DrawFn) -> list[list[Event]]:
    """One to three eras of trades and depth windows. Each begins anew from a low number, minutes after the one before.

    Later eras reach into the numbers of the first, or do not.
    """
    sent = []
    time = START
    for number in range(draw(st.integers(1, 3))):
        trade_id = update = draw(st.sampled_from((1, 1, 3, 1_000))) if number else draw(st.sampled_from((4, 1_000_000)))
        events: list[Event] = []
        for is_trade, step, width in draw(
            st.lists(st.tuples(st.booleans(), st.sampled_from((0, 1, 900, 20_000)), st.integers(0, 4)), max_size=12)
        ):
            time += step
            if is_trade:
                events.append(Trade(trade_id, time))
                trade_id += 1
            else:
                events.append(Depth(update, update + width, time, (("10.0", f"{number}{update:09}"),), ()))
                update += width + 1
        sent.append(events)
        time += 190_000
    return sent


def falls(sent: list[list[Event]]) -> bool:
    """Whether no era begins with the very number that the one before ended with.

    That is taken for what venues repeat to new subscribers; trades told so hold the run (tests/publish).
    """
    for kind in (Trade, Depth):
        newest = None
        for events in sent:
            numbers = [
                (event.id,) * 2 if isinstance(event, Trade) else event[:2] for event in events if type(event) is kind
            ]
            if numbers:
                if numbers[0][0] == newest:
                    return False
                newest = numbers[-1][1]
    return True


@st.composite
def plays(draw: st.DrawFn) -> Played:
    """Every process hears all eras but for a few messages; each system is cut off where the venue restarts."""
    sent = draw(eras_of().filter(falls))
    runs = []
    for system in (0, 0, 1):
        shift = draw(st.integers(0, 3))
        for events in sent:
            dropped = draw(st.sets(st.integers(0, len(events)), max_size=2))
            runs.append(Run(system, shift, [(0, event) for place, event in enumerate(events) if place not in dropped]))
    return Played(sent, runs)


def heard(played: Played, kind: type[Event]) -> Iterator[Event]:
    """What any process has, in the order of sending."""
    received = {event for run in played.runs for _, event in run.frames}
    return (event for event in played.sent(kind) if event in received)


@given(plays())
@settings(max_examples=50, deadline=None)
def test_every_trade_is_published_however_its_id_was_used_before(played: Played) -> None:
    systems = Systems(memory_store("a"), memory_store("b"), "")
    played.record(systems)
    rows = [(row[2], int(str(row[4]))) for row in systems.reference_rows(TRADES)]
    assert rows == [(event.time * 1_000, event.id) for event in heard(played, Trade) if isinstance(event, Trade)]


@given(plays())
@settings(max_examples=50, deadline=None)
def test_book_messages_come_in_the_order_in_which_they_were_sent(played: Played) -> None:
    systems = Systems(memory_store("a"), memory_store("b"), "")
    played.record(systems)
    rows = list(systems.reference_rows(BOOK))
    sent = [event for event in heard(played, Depth) if isinstance(event, Depth)]
    assert [str(row[7]) for row in rows] == [event.bids[0][1] for event in sent]
    for row, event in zip(rows, sent, strict=True):
        assert abs(int(str(row[2])) - event.time * 1_000) <= 3_000


@given(plays())
@settings(max_examples=12, deadline=None)
def test_duckdb_says_the_same(played: Played) -> None:
    with TemporaryDirectory() as directory:
        systems = open_systems(Path(directory))
        played.record(systems)
        for merge in (TRADES, BOOK):
            try:
                systems.merge_rows(merge)
            except NothingToMergeError:
                assert systems.reference(merge) == []


def test_equal_ids_of_two_eras_are_two_trades_and_copies_of_each_are_one(systems: Systems) -> None:
    for store in (systems.primary, systems.replica):
        put(store, trade(1, 0), trade(2, 1))
        put(store, trade(1, 200, "11"), trade(2, 201, "12"))
        put(store, trade(1, 400, "13"))
    rows = systems.merge_rows(TRADES)
    assert [(row[3], row[5]) for row in rows] == [("1", "10"), ("2", "10"), ("1", "11"), ("2", "12"), ("1", "13")]
    assert [row["provenance"] for row in systems.merge_full(TRADES)] == ["both"] * 5


def test_quotes_of_two_eras_with_the_same_id_and_prices_are_two(systems: Systems) -> None:
    """They carry no time but that of the receipt."""
    for number, store in enumerate((systems.primary, systems.replica)):
        put(store, Quote(7, None, "1", "1", "2", "1", NOON + number), Quote(8, None, "1", "2", "2", "1", NOON + 9))
        put(store, Quote(6, None, "1", "3", "2", "1", NOON + 3 * MINUTE + number))
        put(store, Quote(7, None, "1", "1", "2", "1", NOON + 4 * MINUTE + number))
    received = [row[2] for row in systems.merge_rows(QUOTES)]
    assert received == [str(NOON), str(NOON + 9), str(NOON + 3 * MINUTE), str(NOON + 4 * MINUTE)]


def test_quotes_by_a_clock_that_is_minutes_wrong_are_copies(systems: Systems) -> None:
    """They carry no time, and nothing else on their connection told any: the replica's minutes are its own clock's."""
    for store, wrong in ((systems.primary, 0), (systems.replica, 5 * MINUTE)):
        for id, minute in ((7, 0), (9, 20), (11, 40)):
            received = NOON + minute * MINUTE + wrong
            put(store, Quote(id, None, "1", "1", "2", "1", received), Quote(id + 1, None, "1", "2", "2", "1", received))
    assert systems.resets(QUOTES) == {}
    assert [row["provenance"] for row in systems.merge_full(QUOTES)] == ["both"] * 6


def test_a_book_that_was_fetched_stands_in_its_own_era(systems: Systems) -> None:
    """By its number, where only clocks tell the time: this one runs ahead of the others by twenty seconds."""
    Collector(systems.primary).record([(0, depth(1_001, 0)), (0, depth(1_002, 30))], NOON)
    Collector(systems.primary).record([(0, depth(1, 130)), (0, depth(2, 140))], NOON)
    time = NOON + 50 * SECOND
    put(systems.primary, fetched(1_001, time))
    put(systems.primary, fetched(1, time))
    rows = systems.merge_rows(BOOK)
    assert [(row[5], row[6]) for row in rows if row[3] == "true"] == [("8", "1001"), ("8", "1")]
    assert [row[6] for row in rows] == ["1001", "1001", "1002", "1", "1", "2"]


def test_an_ordinary_day_is_asked_for_as_if_there_were_no_eras(systems: Systems) -> None:
    put(systems.primary, trade(1, 0), trade(2, 200))
    sql = statement(TRADES, ["BTC-USDT"]).csv_query
    assert "era" not in sql.replace("eras are not", "")
    assert sql == statement(TRADES, ["BTC-USDT"], {"ETH-USDT": [Reset(NOON, NOON, 0)]}).csv_query
    assert epochs.describe_resets(systems.resets(TRADES)) == []


def test_markets_and_their_restarts_are_named_once_in_each_turn() -> None:
    first, second = Reset(NOON, NOON + 9, 70), Reset(NOON + MINUTE, NOON + MINUTE, 0)
    sql = statement(BOOK, ["BTC-USDT", "A'B"], {"BTC-USDT": [first, second], "A'B": [second]}).merged
    assert sql.count(f"('BTC-USDT', {NOON}, {NOON + 9}, 70)") == 1
    assert f"VALUES ('BTC-USDT', {NOON}, {NOON + 9}, 70), ('A''B', {NOON + MINUTE}, {NOON + MINUTE}, 0)" in sql
    assert sql.count(f"('BTC-USDT', {NOON + MINUTE}, {NOON + MINUTE}, 0)") == 1


def test_a_restart_makes_another_query_of_the_same_token(systems: Systems) -> None:
    """A result that was made before its objects arrived is not taken for the day's."""
    put(systems.primary, trade(1, 0), trade(2, 1))
    engine = open_engine("duckdb", primary=systems.primary.url, replica=systems.replica.url, results=systems.results)
    before = engine.start(TRADES, "token")
    assert engine.start(TRADES, "token") == before
    put(systems.primary, trade(1, 200, "11"))
    assert engine.start(TRADES, "token") != before


def test_an_object_that_must_be_read_and_cannot_be_is_named(systems: Systems) -> None:
    put(systems.primary, trade(1, 0), trade(2, 1))
    key = f"trades/exchange=binance/pair=BTC-USDT/year=2024/month=08/day=08/1203_1-1_{'0' * 16}.json.gz"
    systems.primary.create(key, b"torn")
    with pytest.raises(MergeFailedError, match=f"{key} cannot be merged: .*; restore it, or move it away"):
        systems.resets(TRADES)


def depth(number: int, second: int) -> Depth:
    return Depth(number, number, START + 1_000 * second, (("9", f"{number}"),), ())


def fetched(number: int, time: int) -> BookSnapshot:
    """A REST book; its digest of amounts tells what it is."""
    bids = Raw(b'[["8","%d"]]' % number)
    return BookSnapshot(
        last_id=number, bids=bids, asks=Raw(b"[]"), origin="rest", local_timestamp=time, sent_timestamp=time
    )


def test_more_than_one_athena_query_can_name_is_said_before_athena_is_asked(
    systems: Systems, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(systems.primary, trade(1, 0), trade(2, 1))
    put(systems.primary, trade(1, 200, "11"))
    monkeypatch.setattr(athena_engine, "_LONGEST_QUERY", 1_000)
    engine = athena_engine.connect_athena({"primary": systems.primary}, "s3://results", "booktape", "primary")
    with pytest.raises(MergeFailedError, match="binance has 1 markets, of which 1 had sequence resets: more than one"):
        engine.start(TRADES, "token")
