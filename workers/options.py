"""The options of a connection worker."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from hashlib import sha256
from pathlib import Path
from typing import Final

from booktape.capture.subscriptions import WHOLE, Shard
from booktape.model.errors import InvalidInputError
from booktape.model.symbols import literal_names

_MARKET: Final = re.compile(r"[^\s/,=]+(-[^\s/,=]+)+")
_SHARD: Final = re.compile(r"([1-9]\d*)/([1-9]\d*)")


class InvalidOptionError(InvalidInputError):
    """An option is invalid."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one worker.

    ``instance`` distinguishes identical workers of one ``system``, in logs and for the spool. ``markets`` are names,
    globs or ``all``. ``connection_lifetime`` (s) replaces what the venue declares. ``listing_seconds``: how often the
    worker looks for new listings. ``raw``: store every frame as received. ``live``: keep the newest data of each market
    in Redis.
    """

    exchange: str
    markets: tuple[str, ...]
    storage: str
    instance: str = "a"
    system: str = "primary"
    data_types: tuple[str, ...] = ()
    spool: str = "var/spool"
    websocket_url: str | None = None
    rest_url: str | None = None
    redis_url: str | None = None
    shard: Shard = WHOLE
    connection_lifetime: float | None = None
    listing_seconds: float = 300
    raw: bool = False
    live: bool = False

    @property
    def worker(self) -> str:
        """The instance and, where it has only a share of the markets, its shard."""
        return self.instance if self.shard.total == 1 else f"{self.instance}-{self.shard.number}of{self.shard.total}"

    @property
    def spool_url(self) -> str:
        """Where this instance alone keeps batches while the store is unavailable."""
        return self.spool_directory.as_uri()

    @property
    def raw_spool_url(self) -> str:
        """The same for raw frames, so that they neither count as batches nor delay them."""
        return self.spool_directory.with_name(f"{self.spool_directory.name}-raw").as_uri()

    @property
    def spool_directory(self) -> Path:
        """The directory of :attr:`spool_url`, of one storage alone, so that no batch is moved to another storage."""
        storage = sha256(self.storage.encode()).hexdigest()[:8]
        return Path(self.spool).absolute() / f"{self.system}-{self.exchange}-{self.worker}-{storage}"


def market_names(text: str) -> tuple[str, ...]:
    """Parse a list of markets, globs and ``all``.

    :raises InvalidOptionError: a name is not a market's name in Booktape.
    """
    names = split_list(text)
    for name in literal_names(names):
        if name.islower() or not _MARKET.fullmatch(name):
            raise InvalidOptionError(
                f"{name!r} is not a market's name; write base and quote as in BTC-USDT, or *-USDT, or all"
            )
    return names


def shard(text: str) -> Shard:
    """Parse ``2/4``: the second of four processes that share the markets.

    :raises InvalidOptionError: the text is not a shard.
    """
    match = _SHARD.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise InvalidOptionError(f"{text!r} is not a shard; write 2/4 for the second of four")
    return Shard(int(match[1]), int(match[2]))


def split_list(text: str) -> tuple[str, ...]:
    """Parse a list such as ``a, b``.

    :raises InvalidOptionError: the list is empty.
    """
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not parts:
        raise InvalidOptionError(f"{text!r} names nothing; expected a list such as BTC-USDT,ETH-USDT")
    return parts


@contextmanager
def sole_owner(directory: Path) -> Iterator[None]:
    """Lock a spool for the duration of the context, because two workers would take each other's batches from it.

    The lock ends with the process, however the process ends.

    :raises InvalidOptionError: another process owns the spool.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(f"{directory.name}.lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise InvalidOptionError(
                f"another worker uses the spool {directory}; give this one another --instance"
            ) from None
        yield
