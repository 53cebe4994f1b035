"""What a certificate takes of the ledgers: those of all who were to listen, and of the hours around the day."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from booktape.exchanges import exchange
from booktape.integrity import stored_day
from booktape.integrity.uptime_log import encode_segment
from booktape.merge import Merge
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import DAY, MINUTE, SECOND, TRADES, Trade
from booktape.model.uptime import CONNECTED, StreamInterval, StreamUptime
from booktape.store.layout import batch_key
from booktape.store.objects import Store, open_store

THE_DAY = date(2024, 8, 8)
MIDNIGHT = int(datetime(2024, 8, 8, tzinfo=UTC).timestamp()) * SECOND
TEN = 10 * MINUTE


@pytest.fixture
def systems(tmp_path: Path) -> dict[str, Store]:
    return {name: open_store((tmp_path / name).as_uri()) for name in ("primary", "replica", "rest")}


def line(instance: str, start: int, market: str = "BTC-USDT") -> StreamUptime:
    begin, end = MIDNIGHT + start, MIDNIGHT + start + TEN
    return StreamUptime(TRADES, market, instance, begin, end, [StreamInterval(CONNECTED, begin, end)], [], [])


def tell(store: Store, *lines: StreamUptime) -> None:
    for one in lines:
        store.create(*encode_segment("binance", one.instance, one.start, [one]))


def record(store: Store) -> None:
    trade = Trade(5, MIDNIGHT + SECOND, "buy", "1", "1", MIDNIGHT + SECOND)
    lines = codec.encode_records([trade])
    batch = Batch(TRADES, "BTC-USDT", MIDNIGHT, 5, 5, 1, bytearray(lines))
    store.create(str(batch_key(batch, "binance")), codec.compress(lines))


def lines_of(systems: dict[str, Store]) -> list[list[StreamUptime]]:
    merge = Merge("binance", TRADES, THE_DAY)
    channel = exchange("binance").channel(TRADES)
    return stored_day.find_stored_day(systems, merge, channel, ["BTC-USDT"]).uptime_lines("BTC-USDT")


def test_each_instance_of_each_system_has_its_lines_those_around_the_day_included(systems: dict[str, Store]) -> None:
    a, b = [line("a", -TEN), line("a", 0), line("a", DAY)], [line("b", 5 * TEN)]
    tell(systems["primary"], *a, *b)
    tell(systems["replica"], line("a", 0))
    assert lines_of(systems) == [a, b, [line("a", 0)]]


def test_a_system_that_recorded_something_and_whose_ledger_is_missing_is_somebody_of_whom_nothing_is_known(
    systems: dict[str, Store],
) -> None:
    tell(systems["primary"], line("a", 0))
    record(systems["primary"])
    assert lines_of(systems) == [[line("a", 0)]]
    record(systems["replica"])
    assert lines_of(systems) == [[line("a", 0)], []]


def test_what_was_healed_is_no_system_that_listened(systems: dict[str, Store]) -> None:
    tell(systems["primary"], line("a", 0))
    record(systems["rest"])
    assert lines_of(systems) == [[line("a", 0)]]
