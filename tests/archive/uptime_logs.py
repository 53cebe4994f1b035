"""Ledgers of collectors, for tests."""

from collections.abc import Iterable
from datetime import UTC, datetime

from booktape.integrity import uptime_log
from booktape.model.intervals import Interval, complement
from booktape.model.records import DAY, MINUTE, RECORD_TYPES
from booktape.model.uptime import CONNECTED, StreamInterval, StreamUptime
from booktape.store.layout import InvalidKeyError, parse_batch_key
from booktape.store.objects import Store

HOUR = 60 * MINUTE


def listened(store: Store, exchange: str, day: int, without: Iterable[Interval] = (), state: str = "down") -> None:
    """Say that a collector listened to all markets of an exchange all day (µs, its midnight), but for some times."""
    lost, end = list(without), day + DAY + HOUR  # of its last minute, a ledger proves nothing
    sound = [StreamInterval(CONNECTED, *interval) for interval in complement(lost, (day, end))]
    states = sorted([*sound, *(StreamInterval(state, *interval) for interval in lost)], key=lambda one: one.start)  # type: ignore[arg-type]  # a state's name
    instance = f"of-{day}"
    lines = [StreamUptime(data_type, "*", instance, day, end, states, [], [], over=True) for data_type in RECORD_TYPES]
    key, content = uptime_log.encode_segment(exchange, instance, day, lines)
    store.create(key, content)


def listened_whenever_recorded(store: Store, exchange: str) -> None:
    """Say so of every day of which something is stored."""
    days = set()
    for item in list(store.objects("")):
        try:
            days.add(parse_batch_key(item.key).minute // DAY * DAY)
        except InvalidKeyError:  # something else lies there as well
            continue
    for day in days:
        listened(store, exchange, day)


def at(text: str) -> int:
    """A time (UTC) in µs."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000_000)
