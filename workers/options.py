"""What a connection worker is told to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from hashlib import sha256
from pathlib import Path
from typing import Final

from booktape.errors import BooktapeError

_MARKET: Final = re.compile(r"[A-Z0-9.]+(-[A-Z0-9.]+)+")


class BadOption(BooktapeError):
    """An option that makes no sense."""


@dataclass(frozen=True, slots=True)
class Options:
    """One worker's orders. ``instance`` tells identical workers of one ``system`` apart, in logs and for the spool."""

    exchange: str
    markets: tuple[str, ...]
    storage: str
    instance: str = "a"
    system: str = "primary"
    data_types: tuple[str, ...] = ()
    spool: str = "var/spool"
    websocket_url: str | None = None
    redis_url: str | None = None

    @property
    def spool_url(self) -> str:
        """Where this instance alone keeps batches while the store is away."""
        return self.spool_directory.as_uri()

    @property
    def spool_directory(self) -> Path:
        """The directory of :attr:`spool_url`. It belongs to one storage too, lest batches end in another one."""
        storage = sha256(self.storage.encode()).hexdigest()[:8]
        return Path(self.spool).absolute() / f"{self.system}-{self.exchange}-{self.instance}-{storage}"


def market_names(text: str) -> tuple[str, ...]:
    """A list of markets. Raises :class:`BadOption` for what is not a market's name in Booktape."""
    names = split_list(text)
    for name in names:
        if not _MARKET.fullmatch(name):
            raise BadOption(f"{name!r} is not a market's name; write base and quote as in BTC-USDT")
    return names


def split_list(text: str) -> tuple[str, ...]:
    """``a, b`` to its parts. Raises :class:`BadOption` when nothing is named."""
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not parts:
        raise BadOption(f"{text!r} names nothing; expected a list such as BTC-USDT,ETH-USDT")
    return parts


@contextmanager
def sole_owner(directory: Path) -> Iterator[None]:
    """Own a spool as long as the context: two workers at one spool would take each other's batches.

    Raises :class:`BadOption` where another process owns it. The lock ends with the process, however it ends.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(f"{directory.name}.lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise BadOption(f"another worker uses the spool {directory}; give this one another --instance") from None
        yield
