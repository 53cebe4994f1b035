"""Which of a system's segments tell of a day, and what becomes of those that cannot be read."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from booktape.integrity.uptime_log import encode_segment, readable_lines
from booktape.model.records import DAY, MINUTE, SECOND
from booktape.model.uptime import CONNECTED, StreamInterval, StreamUptime
from booktape.store.layout import SegmentKey
from booktape.store.objects import Store, open_store

THE_DAY = date(2024, 8, 8)
MIDNIGHT = int(datetime(2024, 8, 8, tzinfo=UTC).timestamp()) * SECOND


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path.as_uri())


def line(start: int, end: int, instance: str = "a") -> StreamUptime:
    return StreamUptime("trades", "BTC-USDT", instance, start, end, [StreamInterval(CONNECTED, start, end)], [], [])


def write(store: Store, *lines: StreamUptime) -> None:
    for one in lines:
        assert store.create(*encode_segment("binance", one.instance, one.start, [one]))


def test_the_hours_around_a_day_tell_of_its_ends(store: Store) -> None:
    around = [
        line(MIDNIGHT - 60 * MINUTE, MIDNIGHT - 50 * MINUTE),
        line(MIDNIGHT - 10 * MINUTE, MIDNIGHT),
        line(MIDNIGHT, MIDNIGHT + 10 * MINUTE),
        line(MIDNIGHT + DAY + 50 * MINUTE, MIDNIGHT + DAY + 60 * MINUTE),
    ]
    write(store, *around, line(MIDNIGHT - 70 * MINUTE, MIDNIGHT - 60 * MINUTE), line(MIDNIGHT + DAY + 60 * MINUTE, DAY))
    assert list(readable_lines(store, "binance", THE_DAY)) == around


def test_two_workers_of_one_name_on_two_hosts_keep_what_they_say_side_by_side(store: Store) -> None:
    one, other = line(MIDNIGHT, MIDNIGHT + 10 * MINUTE), line(MIDNIGHT, MIDNIGHT + 9 * MINUTE)
    write(store, one, other)
    assert not store.create(*encode_segment("binance", "a", MIDNIGHT, [one]))  # written again: nothing happens
    assert sorted(found.end for found in readable_lines(store, "binance", THE_DAY)) == [other.end, one.end]


def test_a_segment_that_cannot_be_read_is_as_if_it_was_not_there(store: Store) -> None:
    sound = line(MIDNIGHT, MIDNIGHT + 10 * MINUTE)
    write(store, sound)
    store.create(str(SegmentKey("binance", "b", MIDNIGHT, "0" * 16)), b"nothing")
    store.create(f"{SegmentKey('binance', 'b', MIDNIGHT, '0' * 16)}.part", b"nothing")
    assert list(readable_lines(store, "binance", THE_DAY)) == [sound]
