"""An object's key says exactly what is inside, so that two collectors which saw the same thing write the same key.

``trades/exchange=binance/pair=BTC-USDT/year=2024/month=08/day=09/0000_3735683259-3735683301_0a1b2c3d4e5f6071.json.gz``
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from booktape.model import codec
from booktape.model.records import SECOND

_PATTERN: Final = re.compile(
    r"(?P<data_type>[a-z_]+)/exchange=(?P<exchange>[a-z0-9-]+)/pair=(?P<market>[^/]+)"
    r"/year=(?P<year>\d{4})/month=(?P<month>\d{2})/day=(?P<day>\d{2})"
    r"/(?P<hour>\d{2})(?P<minute>\d{2})_(?P<first>\d+)-(?P<last>\d+)_(?P<digest>[0-9a-f]+)\.json\.gz"
)


class InvalidKeyError(ValueError):
    """A text is not the key of a Booktape object."""


@dataclass(frozen=True, slots=True)
class BatchKey:
    """The parts of an object's key.

    ``minute`` is the start of the batch's minute in µs. ``first`` and ``last`` are the sequence ids of its first and
    last record, or their times in µs where the venue has no ids.
    """

    data_type: str
    exchange: str
    market: str
    minute: int
    first: int
    last: int
    digest: str

    def __str__(self) -> str:
        clock = datetime.fromtimestamp(self.minute // SECOND, UTC)
        return (
            f"{market_prefix(self.data_type, self.exchange, self.market)}"
            f"year={clock:%Y}/month={clock:%m}/day={clock:%d}/"
            f"{clock:%H%M}_{self.first}-{self.last}_{self.digest}.json.gz"
        )


def parse_batch_key(text: str) -> BatchKey:
    """The parts of a key; the opposite of ``str(key)``. Raises :class:`InvalidKeyError`."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise InvalidKeyError(f"{text!r} is not the key of a batch: expected {{data_type}}/exchange=…/pair=…/year=…/…")
    part = match.groupdict()
    try:
        start = datetime.strptime("{year}{month}{day}{hour}{minute}+0000".format(**part), "%Y%m%d%H%M%z")
    except ValueError as error:
        raise InvalidKeyError(f"{text!r} has no such time: {error}") from error
    return BatchKey(
        part["data_type"],
        part["exchange"],
        part["market"],
        int(start.timestamp()) * SECOND,
        int(part["first"]),
        int(part["last"]),
        part["digest"],
    )


def exchange_prefix(data_type: str, exchange: str) -> str:
    """Where all markets of one exchange lie."""
    return f"{data_type}/exchange={exchange}/"


def market_prefix(data_type: str, exchange: str, market: str) -> str:
    """Where all days of one market lie."""
    return f"{exchange_prefix(data_type, exchange)}pair={market}/"


def day_prefix(data_type: str, exchange: str, market: str, day: date) -> str:
    """Where one day of one market lies."""
    return f"{market_prefix(data_type, exchange, market)}year={day:%Y}/month={day:%m}/day={day:%d}/"


@dataclass(frozen=True, slots=True)
class Batch:
    """A contiguous run of one stream's records within one minute. ``lines`` is newline-delimited JSON."""

    data_type: str
    market: str
    minute: int
    first: int
    last: int
    count: int
    lines: bytes | bytearray


def batch_key(batch: Batch, exchange: str) -> BatchKey:
    """The key that says what is inside the batch. Digests all of it: not for the event loop."""
    return BatchKey(
        batch.data_type,
        exchange,
        batch.market,
        batch.minute,
        batch.first,
        batch.last,
        codec.digest(batch.lines),
    )
