"""Of days before the first that is published nobody knows, though that one's certificate vouches for its midnight."""

from datetime import date
from pathlib import Path

from booktape import Archive
from booktape.model.records import DAY, MINUTE, SECOND
from booktape.publish.sources import DataSource
from booktape.store.objects import open_store
from tests.archive.nights import publish
from tests.archive.recorded import MARKET, MIDNIGHT, record_minutes
from tests.archive.uptime_logs import listened


def test_a_day_that_nobody_recorded_is_not_recorded(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    record_minutes(store, range(1, 100))
    for day in (MIDNIGHT - DAY, MIDNIGHT):
        listened(store, "binance", day, [(day, day + DAY - MINUTE)] if day < MIDNIGHT else [])
    publish(str(tmp_path), DataSource(name="binance-trades", exchange="binance", data_type="trades"), date(2024, 8, 9))
    with Archive(str(tmp_path)) as archive:
        found = archive.coverage(*MARKET, MIDNIGHT - 2 * DAY, MIDNIGHT + 60 * SECOND)
    ((since, until),) = found.recorded
    assert MIDNIGHT - MINUTE < since <= MIDNIGHT
    assert until == MIDNIGHT + 60 * SECOND
