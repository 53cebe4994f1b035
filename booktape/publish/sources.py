"""What is published: data sources, and the AWS data set and products that each one feeds."""

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from booktape.core.records import BOOK_UPDATES
from booktape.errors import BooktapeError
from booktape.exchanges import exchange
from booktape.exchanges.spec import Channel

AUTO: Final = "auto"
VERIFY: Final = "verify"
CHANGE_SET: Final = "change-set"

Mode = Literal["auto", "verify", "change-set"]


class UnknownSource(BooktapeError):
    """No data source has that name."""


@dataclass(frozen=True, slots=True)
class Product:
    """A Marketplace product, by its entity id.

    ``auto``: a finalised revision publishes by itself, nothing is called. ``change-set``: it must be added by a change
    set. ``verify``: look whether it was published by itself, and only then fall back to a change set.
    """

    entity: str
    mode: Mode = "verify"


@dataclass(frozen=True, slots=True)
class Source:
    """An exchange's data type: the unit that is published.

    ``threshold`` is the smallest share (0 to 1) of what the venue numbered which a day must hold, told by its
    certificate, to be published. Without ``data_set`` the file is published in the publication store only.
    """

    name: str
    exchange: str
    data_type: Literal["trades", "book_updates", "quotes", "derivative_ticker", "liquidations"]
    threshold: float = 0.999
    data_set: str | None = None
    products: tuple[Product, ...] = ()

    @property
    def channel(self) -> Channel:
        """The venue's channel that these records come by. Some venues send their books as whole snapshots only.

        Raises :class:`~booktape.exchanges.UnknownExchange`, or KeyError where the venue has no such channel.
        """
        venue = exchange(self.exchange)
        if self.data_type == BOOK_UPDATES and venue.book is not None:
            return venue.book
        return venue.channel(self.data_type)


@dataclass(frozen=True, slots=True)
class Run:
    """One publication of one source's day. The nightly run is number 1; each republication takes the next number."""

    source: str
    day: date
    number: int

    @property
    def prefix(self) -> str:
        """Where the run's manifest lies in storage."""
        return f"{runs_prefix(self.source, self.day)}{self.number:04d}/"

    def __str__(self) -> str:
        return f"{self.source} {self.day} run {self.number}"


def runs_prefix(source: str, day: date | None = None) -> str:
    """Where all runs of a source lie, or those of one of its days."""
    return f"runs/{source}/{day}/" if day is not None else f"runs/{source}/"
