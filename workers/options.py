"""What a connection worker is told to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from hashlib import sha256
from pathlib import Path
from typing import Final

from booktape.capture.subscriptions import WHOLE, Shard
from booktape.model.errors import BooktapeError
from booktape.model.symbols import literal_names

_MARKET: Final = re.compile(r"[^\s/,=]+(-[^\s/,=]+)+")
_SHARD: Final = re.compile(r"([1-9]\d*)/([1-9]\d*)")


class InvalidOptionError(BooktapeError):
    """An option that makes no sense."""


@dataclass(frozen=True, slots=True)
class Options:
    """One worker's orders. ``instance`` tells identical workers of one ``system`` apart, in logs and for the spool.

    ``markets`` are names, globs or ``all``. ``connection_lifetime`` and ``listing_seconds`` in seconds; the first takes
    the place of what the venue declares, the second says how often new listings are looked for. ``live``: keep the
    newest of each market in Redis.
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
    """Whether every frame is kept too."""
    live: bool = False

    @property
    def worker(self) -> str:
        """The instance, and its part of the markets if it has not all of them."""
        return self.instance if self.shard.total == 1 else f"{self.instance}-{self.shard.number}of{self.shard.total}"

    @property
    def spool_url(self) -> str:
        """Where this instance alone keeps batches while the store is away."""
        return self.spool_directory.as_uri()

    @property
    def raw_spool_url(self) -> str:
        """The same for raw frames, so that they are neither counted as batches nor keep these waiting."""
        return self.spool_directory.with_name(f"{self.spool_directory.name}-raw").as_uri()

    @property
    def spool_directory(self) -> Path:
        """The directory of :attr:`spool_url`. It belongs to one storage too, lest batches end in another one."""
        storage = sha256(self.storage.encode()).hexdigest()[:8]
        return Path(self.spool).absolute() / f"{self.system}-{self.exchange}-{self.worker}-{storage}"


def market_names(text: str) -> tuple[str, ...]:
    """A list of markets, globs and ``all``.
    Raises :class:`InvalidOptionError` for what is no market's name in Booktape."""
    names = split_list(text)
    for name in literal_names(names):
        if name.islower() or not _MARKET.fullmatch(name):
            raise InvalidOptionError(
                f"{name!r} is not a market's name; write base and quote as in BTC-USDT, or *-USDT, or all"
            )
    return names


def shard(text: str) -> Shard:
    """``2/4``: the second of four processes that share the markets. Raises :class:`InvalidOptionError`."""
    match = _SHARD.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise InvalidOptionError(f"{text!r} is no shard; write 2/4 for the second of four")
    return Shard(int(match[1]), int(match[2]))


def split_list(text: str) -> tuple[str, ...]:
    """``a, b`` to its parts. Raises :class:`InvalidOptionError` when nothing is named."""
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not parts:
        raise InvalidOptionError(f"{text!r} names nothing; expected a list such as BTC-USDT,ETH-USDT")
    return parts


@contextmanager
def sole_owner(directory: Path) -> Iterator[None]:
    """Own a spool as long as the context: two workers at one spool would take each other's batches.

    Raises :class:`InvalidOptionError` where another process owns it. The lock ends with the process, however it ends.
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
