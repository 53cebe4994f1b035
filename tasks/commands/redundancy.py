"""``booktape status --redundancy``: what the instances of each system wrote alike."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from booktape.cli.terminal import out, parse_day, print_json
from booktape.integrity.redundancy import Counts, Minute, Redundancy, redundancy
from booktape.model.errors import NotAvailableError
from booktape.model.records import MINUTE, SECOND
from booktape.store import clock
from booktape.store.layout import UPTIME_LOG, partition_values
from booktape.store.objects import Store, open_store
from config.settings import Settings


class NoUptimeLogError(NotAvailableError):
    """No collector wrote an uptime log of that day."""


def show_redundancy(settings: Settings, exchange: str | None, day: str | None, *, as_json: bool) -> None:
    """Print a day's redundancy of one exchange or of all; today's so far without a day."""
    chosen = parse_day(day) if day is not None else datetime.fromtimestamp(clock.now() // SECOND, UTC).date()
    urls = {"primary": settings.storage, "replica": settings.replica}
    stores = {system: open_store(url, make=False) for system, url in urls.items() if url is not None}
    found = [
        (system, redundancy(store, name, chosen))
        for system, store in stores.items()
        for name in ([exchange] if exchange is not None else _exchanges(store))
    ]
    found = [(system, one) for system, one in found if one.covered]
    if not found:
        where = " and ".join(store.url for store in stores.values())
        raise NoUptimeLogError(
            f"there is no uptime log of {exchange or 'any exchange'} on {chosen} in {where}: was it recorded?"
        )
    if as_json:
        print_json([_fields(system, one) for system, one in found])
    else:
        _print(found)


def _exchanges(store: Store) -> list[str]:
    return partition_values(store.folders(f"{UPTIME_LOG}/"), "exchange")


def _fields(system: str, one: Redundancy) -> dict[str, Any]:
    return {
        "system": system,
        "exchange": one.exchange,
        "day": str(one.day),
        "covered": one.covered,
        "legs": [
            {"data_type": data_type, "instance": instance, **asdict(counts), "share": counts.share}
            for (data_type, instance), counts in one.legs.items()
        ],
        "troubled": [_minute_fields(minute) for minute in one.troubled],
    }


def _minute_fields(minute: Minute) -> dict[str, Any]:
    return {
        "data_type": minute.data_type,
        "market": minute.market,
        "minute": minute.minute,
        "collided": minute.collided,
        "instances": {instance: asdict(counts) for instance, counts in minute.instances.items()},
    }


def _print(found: list[tuple[str, Redundancy]]) -> None:
    names = ("exchange", "system", "data type", "instance", "batches", "identical", "share", "disagreed", "alone")
    table = Table(*names, box=None, pad_edge=False)
    for system, one in found:
        for (data_type, instance), counts in one.legs.items():
            numbers = [f"{number:,}" for number in (counts.batches, counts.identical, counts.disagreed, counts.alone)]
            table.add_row(one.exchange, system, data_type, instance, *numbers[:2], _percent(counts), *numbers[2:])
    out.print(table)
    for system, one in found:
        known = ", ".join(f"{instance} {_hours(covered)}" for instance, covered in one.covered.items())
        out.print(f"{one.exchange}, {system}: the uptime log covers {known} of {one.day}", highlight=False)
        conflicting = sum(counts.conflicting for counts in one.legs.values())
        if conflicting:
            out.print(
                f"  [red]{conflicting:,} batches of the same ids have different digests[/]; --json names the minutes"
            )


def _percent(counts: Counts) -> str:
    """Never rounded up: a hundred per cent are all."""
    hundredths = counts.identical * 10_000 // counts.batches
    return f"{hundredths // 100}.{hundredths % 100:02d}%"


def _hours(covered: int) -> str:
    minutes = covered // MINUTE
    return f"{minutes // 60}:{minutes % 60:02d} h"
