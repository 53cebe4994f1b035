"""Redundancy, seen: who wrote what alike, told from the ledgers of a system's instances."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from booktape.cli.app import app
from booktape.integrity.redundancy import Counts, Minute, minutes, redundancy
from booktape.integrity.uptime_log import InvalidSegmentError, encode_segment, read_segments
from booktape.model.records import MINUTE, SECOND
from booktape.model.uptime import CONNECTED, StreamInterval, StreamUptime, WrittenBatch
from booktape.store.layout import SegmentKey
from booktape.store.objects import Store, open_store

DAY = date(2024, 8, 8)
START = int(datetime(2024, 8, 8, tzinfo=UTC).timestamp()) * SECOND
TEN = 10 * MINUTE


def batch(first: int, last: int, digest: str = "same", minute: int = 0) -> WrittenBatch:
    return WrittenBatch(START + minute * MINUTE, first, last, last - first + 1, digest)


def line(instance: str, *batches: WrittenBatch, start: int = START, market: str = "BTC-USDT") -> StreamUptime:
    states = [StreamInterval(CONNECTED, start, start + TEN)]
    return StreamUptime("trades", market, instance, start, start + TEN, states, [], list(batches))


def told(*lines: StreamUptime) -> list[tuple[SegmentKey, list[StreamUptime]]]:
    return [(SegmentKey("binance", line.instance, line.start, "0" * 16), [line]) for line in lines]


def only(*lines: StreamUptime) -> Minute:
    (minute,) = minutes(told(*lines), DAY)
    return minute


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


def write(store: Store, *lines: StreamUptime) -> None:
    for line in lines:
        assert store.create(*encode_segment("binance", line.instance, line.start, [line]))


def test_two_that_wrote_the_same_collided_once() -> None:
    both = Counts(batches=1, identical=1)
    assert only(line("a", batch(1, 9)), line("b", batch(1, 9))) == Minute(
        "trades", "BTC-USDT", START, 1, {"a": both, "b": both}
    )


def test_three_that_wrote_the_same_collided_twice() -> None:
    assert only(*(line(instance, batch(1, 9)) for instance in "abc")).collided == 2


def test_what_one_alone_wrote() -> None:
    assert only(line("a", batch(1, 9)), line("b")).instances == {"a": Counts(batches=1, alone=1)}


def test_batches_of_the_same_ids_with_another_digest_conflict() -> None:
    minute = only(line("a", batch(1, 9, "one")), line("b", batch(1, 9, "other")))
    both = Counts(batches=1, disagreed=1, conflicting=1)
    assert (minute.collided, minute.disagreed, minute.instances) == (0, 2, {"a": both, "b": both})


def test_batches_that_are_cut_otherwise_disagree_but_do_not_conflict() -> None:
    minute = only(line("a", batch(1, 9, "whole")), line("b", batch(1, 4, "half"), batch(6, 9, "rest")))
    assert minute.instances == {"a": Counts(batches=1, disagreed=1), "b": Counts(batches=2, disagreed=2)}


def test_batches_of_different_ids_do_not_disagree() -> None:
    minute = only(line("a", batch(1, 4, "half")), line("b", batch(5, 9, "rest")))
    assert minute.instances == {"a": Counts(batches=1, alone=1), "b": Counts(batches=1, alone=1)}


def test_what_one_instance_told_twice_is_no_redundancy() -> None:
    assert only(line("a", batch(1, 9)), line("a", batch(1, 9), start=START + TEN)).instances == {
        "a": Counts(batches=1, alone=1)
    }


def test_only_minutes_of_the_day_count_whenever_they_were_told() -> None:
    midnight = START + 144 * TEN
    late = line("a", batch(7, 8, minute=1439), batch(9, 9, minute=1440), start=midnight)
    early = line("a", batch(1, 2, minute=-1), batch(3, 4), start=START - TEN)
    assert [found.minute - START for found in minutes(told(early, late), DAY)] == [0, 1439 * MINUTE]


def test_a_minute_is_judged_when_nobody_tells_of_it_any_more() -> None:
    def read() -> list[tuple[SegmentKey, list[StreamUptime]]]:
        later = [line(instance, start=START + number * TEN) for number in range(1, 12) for instance in "ab"]
        return told(line("a", batch(1, 9)), *later[:3], line("b", batch(1, 9), start=START + TEN), *later[3:])

    left = iter(read())
    first = next(minutes(left, DAY))
    assert first.collided == 1
    assert len(list(left)) > 0, "the rest of the day was read for it"


def test_the_summary_of_a_day_by_leg(store: Store) -> None:
    write(
        store,
        line("a", batch(1, 9), batch(10, 19, minute=1), batch(20, 29, "one", minute=2)),
        line("b", batch(1, 9), batch(20, 29, "other", minute=2)),
        line("b", batch(30, 39, minute=10), start=START + TEN),
    )
    found = redundancy(store, "binance", DAY)
    assert found.legs == {
        ("trades", "a"): Counts(batches=3, identical=1, disagreed=1, conflicting=1, alone=1),
        ("trades", "b"): Counts(batches=3, identical=1, disagreed=1, conflicting=1, alone=1),
    }
    assert found.legs["trades", "a"].share == "0.333333"
    assert found.covered == {"a": TEN, "b": 2 * TEN}
    assert [minute.minute - START for minute in found.troubled] == [2 * MINUTE]


def test_shares_are_whole_only_where_all_is() -> None:
    assert [Counts(3_000_000, identical).share for identical in (0, 2_999_999, 3_000_000)] == [
        "0.000000",
        "0.999999",
        "1.000000",
    ]
    assert Counts().share == "0.000000"


def test_segments_around_midnight_are_read_and_those_of_other_hours_are_not(store: Store) -> None:
    starts = [-7 * TEN, -6 * TEN, 0, 144 * TEN, 149 * TEN, 150 * TEN]
    write(store, *(line("a", start=START + start) for start in starts))
    assert [key.start - START for key, _ in read_segments(store, "binance", DAY)] == [-6 * TEN, 0, 144 * TEN, 149 * TEN]


def test_a_segment_that_cannot_be_read_is_named(store: Store) -> None:
    key = str(SegmentKey("binance", "a", START, "0" * 16))
    store.create(key, b"nothing")
    with pytest.raises(InvalidSegmentError, match=key):
        redundancy(store, "binance", DAY)


def test_the_command_shows_it_by_exchange_data_type_and_instance(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BOOKTAPE_STORAGE", store.url)
    monkeypatch.setattr("tasks.commands.redundancy.out", Console(width=160))
    write(store, line("a", batch(1, 9), batch(10, 19, minute=1)), line("b", batch(1, 9)))
    result = CliRunner().invoke(app, ["status", "--redundancy", "--day", "2024-08-08"])
    *table, told = result.output.splitlines()
    assert [row.split() for row in table] == [
        ["exchange", "system", "data", "type", "instance", "batches", "identical", "share", "disagreed", "alone"],
        ["binance", "primary", "trades", "a", "2", "1", "50.00%", "0", "1"],
        ["binance", "primary", "trades", "b", "1", "1", "100.00%", "0", "0"],
    ]
    assert told == "binance, primary: the uptime log covers a 0:10 h, b 0:10 h of 2024-08-08"
    result = CliRunner().invoke(
        app, ["status", "--redundancy", "--day", "2024-08-08", "--exchange", "binance", "--json"]
    )
    assert '"legs":[{"data_type":"trades","instance":"a","batches":2,"identical":1,' in result.output
    result = CliRunner().invoke(app, ["status", "--redundancy", "--day", "2024-08-09"])
    assert "there is no uptime log of any exchange on 2024-08-09" in str(result.exception)
