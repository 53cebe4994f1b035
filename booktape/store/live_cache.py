"""The newest trade and best levels of each market, in Redis. It is a cache: losing it loses no data.

The key ``booktape:live:{exchange}:{worker}`` holds a hash with a field for each market. Each worker writes a hash of
its own, so that identical workers need not agree on an order: a reader takes the newest values of all hashes. A hash
expires five minutes after its worker last wrote it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import DecodeError, Struct, json
from redis import Redis

from booktape.model.errors import InvalidInputError
from booktape.model.records import Level, Trade, last_position
from booktape.store.redis_errors import redis_errors

DEPTH: Final = 10
"""The most levels of a side that a worker writes."""

_PREFIX: Final = "booktape:live:"
_EXPIRES_AFTER_SECONDS: Final = 300
_TIMEOUT_SECONDS: Final = 2


class InvalidRedisUrlError(InvalidInputError):
    """A URL is not a Redis URL."""


def connect_redis(url: str) -> "Redis[bytes]":
    """Create a client with timeouts of two seconds. It does not connect yet. Raises :class:`InvalidRedisUrlError`."""
    try:
        client: Redis[bytes] = Redis.from_url(
            url, socket_connect_timeout=_TIMEOUT_SECONDS, socket_timeout=_TIMEOUT_SECONDS
        )
    except ValueError as error:
        raise InvalidRedisUrlError(f"{error}; set REDIS_URL to a URL like redis://127.0.0.1:6379/0") from error
    return client


class Top(Struct, frozen=True, gc=False):
    """The best levels of both sides, best first, and the times (µs) of the message that set them."""

    timestamp: int
    bids: list[Level]
    asks: list[Level]
    local_timestamp: int


class Latest(Struct, frozen=True, gc=False, omit_defaults=True):
    """The newest known values of a market."""

    trade: Trade | None = None
    top: Top | None = None

    def or_newer(self, other: "Latest") -> "Latest":
        """Merge two values: the newer trade and the newer top of both."""
        trades = [trade for trade in (self.trade, other.trade) if trade is not None]
        tops = [top for top in (self.top, other.top) if top is not None]
        return Latest(
            max(trades, key=lambda trade: (trade.timestamp, last_position(trade)), default=None),
            max(tops, key=lambda top: (top.timestamp, top.local_timestamp), default=None),
        )


class LiveCache:
    """The writing side: one worker's values of one exchange's markets.

    :param worker: a name that no other worker of any system has.
    """

    def __init__(self, client: "Redis[bytes]", exchange: str, worker: str) -> None:
        self._client = client
        self._key = f"{_PREFIX}{exchange}:{worker}"

    def write(self, markets: Mapping[str, Latest]) -> None:
        """Write the new values of some markets. Raises :class:`~booktape.store.redis_errors.RedisUnavailableError`."""
        with redis_errors(), self._client.pipeline(transaction=False) as pipe:
            pipe.hset(self._key, mapping={market: json.encode(latest) for market, latest in markets.items()})
            pipe.expire(self._key, _EXPIRES_AFTER_SECONDS)
            pipe.execute()


def latest(client: "Redis[bytes]", exchange: str) -> dict[str, Latest]:
    """Read the newest values of each market of an exchange, by market.

    Raises :class:`~booktape.store.redis_errors.RedisUnavailableError`.
    """
    newest: dict[str, Latest] = {}
    with redis_errors():
        for key in client.scan_iter(match=f"{_PREFIX}{exchange}:*"):
            for market, written in _markets(client.hgetall(key)):
                newest[market] = written.or_newer(newest.get(market, written))
    return dict(sorted(newest.items()))


def live_exchanges(client: "Redis[bytes]") -> list[str]:
    """List the exchanges whose values any worker writes.

    Raises :class:`~booktape.store.redis_errors.RedisUnavailableError`.
    """
    with redis_errors():
        keys = [key.decode() for key in client.scan_iter(match=f"{_PREFIX}*")]
    return sorted({key.removeprefix(_PREFIX).partition(":")[0] for key in keys})


def _markets(fields: Mapping[bytes, bytes]) -> Iterable[tuple[str, Latest]]:
    for market, written in fields.items():
        try:
            yield market.decode(), json.decode(written, type=Latest)
        except DecodeError:  # of another version: its worker is updated soon, or its hash expires
            continue
