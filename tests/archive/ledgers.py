"""Ledgers of collectors, for tests."""

from collections.abc import Iterable
from datetime import UTC, datetime

from booktape.core import ledger
from booktape.core.keys import BadKey, parse_key
from booktape.core.ledger import CONNECTED, Interval, Line, State, complement
from booktape.core.records import DAY, MINUTE, RECORD_TYPES
from booktape.storage import Store

HOUR = 60 * MINUTE


def listened(store: Store, exchange: str, day: int, without: Iterable[Interval] = (), state: str = "down") -> None:
    """Say that a collector listened to all markets of an exchange all day (µs, its midnight), but for some times."""
    lost, end = list(without), day + DAY + HOUR  # of its last minute, a ledger proves nothing
    sound = [State(CONNECTED, *interval) for interval in complement(lost, (day, end))]
    states = sorted([*sound, *(State(state, *interval) for interval in lost)], key=lambda one: one.start)  # type: ignore[arg-type]  # a state's name
    instance = f"of-{day}"
    lines = [Line(data_type, "*", instance, day, end, states, [], [], over=True) for data_type in RECORD_TYPES]
    key, content = ledger.encode(exchange, instance, day, lines)
    store.create(key, content)


def listened_whenever_recorded(store: Store, exchange: str) -> None:
    """Say so of every day of which something is stored."""
    days = set()
    for item in list(store.objects("")):
        try:
            days.add(parse_key(item.key).minute // DAY * DAY)
        except BadKey:  # something else lies there as well
            continue
    for day in days:
        listened(store, exchange, day)


def at(text: str) -> int:
    """A time (UTC) in µs."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000_000)
