"""What is published: data sources, and the AWS data set and products that each one feeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from booktape.exchanges import exchange
from booktape.exchanges.spec import Channel
from booktape.model.errors import BooktapeError
from booktape.model.records import BOOK_UPDATES
from booktape.publish.analytics_kinds import KINDS, AnalyticsKind

AUTO: Final = "auto"
VERIFY: Final = "verify"
CHANGE_SET: Final = "change-set"

Mode = Literal["auto", "verify", "change-set"]


class UnknownSourceError(BooktapeError):
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
class DataSource:
    """An exchange's data type: the unit that is published.

    ``threshold`` is the smallest share (0 to 1) of what the venue numbered which a day must hold, told by its
    certificate, to be published. Without ``data_set`` the file is published in the publication store only. With
    ``market_files`` each market gets a file of its own as well.

    Computed data (:mod:`booktape.publish.analytics_kinds`) is computed from what another source published: the one
    named ``of``,
    or the exchange's only one. ``every`` is its interval in seconds.
    """

    name: str
    exchange: str
    data_type: Literal[
        "trades", "book_updates", "quotes", "derivative_ticker", "liquidations",
        "trade_bars", "book_snapshot_5", "book_snapshot_25", "book_quotes",
    ]  # fmt: skip
    threshold: float = 0.999
    data_set: str | None = None
    products: tuple[Product, ...] = ()
    market_files: bool = False
    of: str | None = None
    every: float | None = None

    @property
    def kind(self) -> AnalyticsKind | None:
        """What is computed; None for what is recorded."""
        return KINDS.get(self.data_type)

    @property
    def channel(self) -> Channel:
        """The venue's channel that these records, or those that they are computed of, come by.

        Some venues send their books as whole snapshots only. Raises
        :class:`~booktape.exchanges.UnknownExchangeError`, or KeyError where the venue has no such channel.
        """
        venue = exchange(self.exchange)
        recorded = self.kind.of if self.kind is not None else self.data_type
        if recorded == BOOK_UPDATES and venue.book is not None:
            return venue.book
        return venue.channel(recorded)


def base_of(source: DataSource, sources: Mapping[str, DataSource]) -> DataSource:
    """The source that a computed one is computed of.
    Raises :class:`UnknownSourceError` where there is none, or several."""
    assert source.kind is not None, "only computed data is computed of something"
    fitting = [
        found for found in sources.values() if (found.exchange, found.data_type) == (source.exchange, source.kind.of)
    ]
    named = [found for found in fitting if source.of in (None, found.name)]
    if len(named) == 1:
        return named[0]
    what = f"source of {source.exchange}'s {source.kind.of}"
    if not fitting:
        raise UnknownSourceError(f"there is no {what} that it could be computed of")
    known = ", ".join(sorted(found.name for found in fitting))
    wanted = f"{source.of} is no {what}" if source.of is not None else f"name the {what} with of"
    raise UnknownSourceError(f"{wanted}; there are: {known}")


def in_publication_order(sources: Mapping[str, DataSource]) -> list[str]:
    """The names of all sources, by name, computed ones after those that they are computed of."""
    return sorted(sources, key=lambda name: (sources[name].kind is not None, name))
