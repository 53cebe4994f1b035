"""When nobody listened to a market, or nobody knows: by its day's certificate, or by the ledgers until there is one."""

from collections import defaultdict
from datetime import date, timedelta
from typing import Any, Final

from msgspec import structs

from booktape.archive.catalog import Catalog
from booktape.archive.market_days import StreamKey
from booktape.exchanges import exchanges
from booktape.exchanges.spec import Channel
from booktape.integrity.certificate import MarketCertificate
from booktape.integrity.uptime import downtime
from booktape.integrity.uptime_log import readable_lines
from booktape.model import sequence
from booktape.model.gap import Gap, GapCause, time_gap
from booktape.model.intervals import Interval
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DAY, record_time
from booktape.model.timestamps import midnight
from booktape.model.uptime import StreamUptime
from booktape.store.layout import Run, uptime_log_prefix

_MOST: Final = 1024
"""Days of markets whose ledgers are remembered."""


def channel_of(asked: StreamKey) -> Channel | None:
    """The venue's channel that records come by; None where none is declared."""
    venue = exchanges().get(asked.exchange)
    if venue is None:
        return None
    if asked.data_type == BOOK_UPDATES:
        return venue.book
    try:
        return venue.channel(asked.data_type)
    except KeyError:
        return None


def is_numbered(asked: StreamKey) -> bool:
    """Whether the records' own numbers show what is missing between them, whoever was connected."""
    channel = channel_of(asked)
    if channel is None or channel.rule not in sequence.SPANS_CONNECTIONS:
        return False
    return sequence.rule(channel.rule, asked.data_type) is not None


def receipt_time(record: Any) -> int:
    """When a book message was surely there (µs), by the exchange's clock or the collector's: lapses are told by either.

    A snapshot must not come before the lapse that it ends, nor a lapse after the messages that it spoils.
    """
    received: int = record.local_timestamp
    return max(record_time(record), received)


class Outages:
    """Reads each day's ledgers once, unless more of them have come."""

    def __init__(self, library: Catalog) -> None:
        self._library = library
        self._known: dict[tuple[StreamKey, date], tuple[object, list[Gap]]] = {}

    def of(self, asked: StreamKey, day: date, run: Run | None) -> list[Gap]:
        """The times of a day in which something may be missing, in their order."""
        if run is not None:
            certified = self._library.certificate(run).markets.get(asked.market)
            if certified is None:
                start = midnight(day)
                return [time_gap(asked.data_type, asked.market, start, start + DAY, GapCause.NOT_RECORDED)]
            return outages_in_certificate(certified, asked)
        state = self._segments(asked.exchange, day)
        known = self._known.get((asked, day))
        if known is None or known[0] != state:
            if len(self._known) > _MOST:
                self._known.clear()
            known = self._known[asked, day] = state, self._by_ledger(asked, day)
        return known[1]

    def _segments(self, exchange: str, day: date) -> list[str]:
        around = (day - timedelta(days=1), day, day + timedelta(days=1))
        return [
            item.key
            for store in self._library.systems.values()
            if store is not None
            for one in around
            for item in store.objects(uptime_log_prefix(exchange, one))
        ]

    def _by_ledger(self, asked: StreamKey, day: date) -> list[Gap]:
        channel = channel_of(asked)
        data_type = asked.data_type
        if data_type == BOOK_UPDATES and channel is not None and BOOK_UPDATES not in channel.data_types:
            data_type = BOOK_SNAPSHOTS
        instances: defaultdict[tuple[str, str], list[StreamUptime]] = defaultdict(list)
        for system, store in self._library.systems.items():
            for line in readable_lines(store, asked.exchange, day) if store is not None else ():
                if line.data_type == data_type and line.market in (asked.market, "*"):
                    instances[system, line.instance].append(structs.replace(line, batches=[]))
        found = downtime(instances.values(), range(midnight(day), midnight(day) + DAY))
        return _gaps(asked, found.down, found.unknown)


def outages_in_certificate(certified: MarketCertificate, asked: StreamKey) -> list[Gap]:
    """The lapses of a market's day, by what its certificate says of it."""
    return _gaps(asked, certified.downtime.down, certified.downtime.unknown)


def _gaps(asked: StreamKey, down: list[Interval], unknown: list[Interval]) -> list[Gap]:
    stream = asked.data_type, asked.market
    gaps = [time_gap(*stream, start, end, GapCause.DOWN) for start, end in down]
    gaps += [time_gap(*stream, start, end, GapCause.UNKNOWN) for start, end in unknown]
    return sorted(gaps, key=lambda gap: gap.start)
