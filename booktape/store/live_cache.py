"""The newest of each market in Redis: its last trade, and its best bid and ask. A cache: with it, nothing is lost.

``booktape:live:{exchange}:{worker}`` is one hash per worker, a field per market. So identical workers need not agree
on an order: who reads takes the newest of what they tell. What a worker told goes some minutes after its last word.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import DecodeError, Struct, json
from redis import Redis

from booktape.model.errors import BooktapeError
from booktape.model.records import Level, Trade, last_position
from booktape.store.redis_errors import redis_errors

DEPTH: Final = 10
"""How many levels of a side are told, where the worker has them."""

_PREFIX: Final = "booktape:live:"
_LIFE: Final = 300
_SECONDS: Final = 2
"""How long Redis may take to answer."""


class InvalidRedisUrlError(BooktapeError):
    """Not a Redis URL."""


def connect_redis(url: str) -> "Redis[bytes]":
    """A client that does not wait for long. Nothing is asked of Redis yet. Raises :class:`InvalidRedisUrlError`."""
    try:
        client: Redis[bytes] = Redis.from_url(url, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS)
    except ValueError as error:
        raise InvalidRedisUrlError(f"{error}; set REDIS_URL to such as redis://127.0.0.1:6379/0") from error
    return client


class Top(Struct, frozen=True, gc=False):
    """The best levels of both sides, best first, and the times (µs) of the message that made them."""

    timestamp: int
    bids: list[Level]
    asks: list[Level]
    local_timestamp: int


class Latest(Struct, frozen=True, gc=False, omit_defaults=True):
    """The newest that is known of a market."""

    trade: Trade | None = None
    top: Top | None = None

    def or_newer(self, other: "Latest") -> "Latest":
        """Of each kind the newer one."""
        trades = [trade for trade in (self.trade, other.trade) if trade is not None]
        tops = [top for top in (self.top, other.top) if top is not None]
        return Latest(
            max(trades, key=lambda trade: (trade.timestamp, last_position(trade)), default=None),
            max(tops, key=lambda top: (top.timestamp, top.local_timestamp), default=None),
        )


class LiveCache:
    """What one worker tells of one exchange's markets. ``worker`` tells it from all others, of other systems too."""

    def __init__(self, client: "Redis[bytes]", exchange: str, worker: str) -> None:
        self._client = client
        self._key = f"{_PREFIX}{exchange}:{worker}"

    def write(self, markets: Mapping[str, Latest]) -> None:
        """Tell what is new of some markets. Raises :class:`~booktape.store.redis_errors.RedisUnavailableError`."""
        with redis_errors(), self._client.pipeline(transaction=False) as pipe:
            pipe.hset(self._key, mapping={market: json.encode(latest) for market, latest in markets.items()})
            pipe.expire(self._key, _LIFE)
            pipe.execute()


def latest(client: "Redis[bytes]", exchange: str) -> dict[str, Latest]:
    """The newest of each market of an exchange, as its workers report it.

    Raises :class:`~booktape.store.redis_errors.RedisUnavailableError`.
    """
    found: dict[str, Latest] = {}
    with redis_errors():
        for key in client.scan_iter(match=f"{_PREFIX}{exchange}:*"):
            for market, told in _markets(client.hgetall(key)):
                found[market] = told.or_newer(found.get(market, told))
    return dict(sorted(found.items()))


def live_exchanges(client: "Redis[bytes]") -> list[str]:
    """The exchanges of which any worker tells. Raises :class:`~booktape.store.redis_errors.RedisUnavailableError`."""
    with redis_errors():
        keys = [key.decode() for key in client.scan_iter(match=f"{_PREFIX}*")]
    return sorted({key.removeprefix(_PREFIX).partition(":")[0] for key in keys})


def _markets(fields: Mapping[bytes, bytes]) -> Iterable[tuple[str, Latest]]:
    for market, told in fields.items():
        try:
            yield market.decode(), json.decode(told, type=Latest)
        except DecodeError:  # another version's: its worker will tell again, or go
            continue
