"""Data sources, and the AWS data set and products in which each one is published."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from booktape.exchanges import exchange
from booktape.exchanges.spec import Channel
from booktape.model.errors import InvalidInputError
from booktape.model.records import BOOK_UPDATES
from booktape.publish.analytics_kinds import ANALYTICS_KINDS, AnalyticsKind

AUTO: Final = "auto"
VERIFY: Final = "verify"

Mode = Literal["auto", "verify", "change-set"]


class UnknownSourceError(InvalidInputError):
    """No data source has that name."""


@dataclass(frozen=True, slots=True)
class Product:
    """A Marketplace product, by its entity id.

    :param mode: how a finalised revision gets into the product. ``auto``: AWS adds it. ``change-set``: a change set
        adds it. ``verify``: AWS may add it; if it has not after a while, a change set does.
    """

    entity: str
    mode: Mode = "verify"


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data type of an exchange: the unit of publication.

    Analytics sources (:mod:`booktape.publish.analytics_kinds`) are computed from the published records of another
    source.

    :param threshold: the smallest share (0 to 1) of the numbered records that a day must hold to be published.
    :param data_set: the AWS data set; without one, the file is published in the publication store only.
    :param market_files: whether each market gets a file of its own too.
    :param of: the source that an analytics source is computed from; None if the exchange has only one.
    :param every: the interval of an analytics source, in seconds.
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
        """The kind of analytics; None for recorded data."""
        return ANALYTICS_KINDS.get(self.data_type)

    @property
    def channel(self) -> Channel:
        """The venue's channel of the records that are published, or from which the analytics are computed.

        Some venues send their books as whole snapshots only.

        Raises :class:`~booktape.exchanges.UnknownExchangeError`, or KeyError if the venue has no such channel.
        """
        venue = exchange(self.exchange)
        recorded = self.kind.of if self.kind is not None else self.data_type
        if recorded == BOOK_UPDATES and venue.book is not None:
            return venue.book
        return venue.channel(recorded)


def base_of(source: DataSource, sources: Mapping[str, DataSource]) -> DataSource:
    """The source that an analytics source is computed from.

    Raises :class:`UnknownSourceError` if there is none, or if there are several and ``of`` names none of them.
    """
    assert source.kind is not None, "a recorded source is not computed"
    fitting = [
        found for found in sources.values() if (found.exchange, found.data_type) == (source.exchange, source.kind.of)
    ]
    named = [found for found in fitting if source.of in (None, found.name)]
    if len(named) == 1:
        return named[0]
    what = f"source of {source.exchange}'s {source.kind.of}"
    if not fitting:
        raise UnknownSourceError(f"there is no {what} that it could be computed from")
    known = ", ".join(sorted(found.name for found in fitting))
    wanted = f"{source.of} is no {what}" if source.of is not None else f"name the {what} with of"
    raise UnknownSourceError(f"{wanted}; there are: {known}")


def in_publication_order(sources: Mapping[str, DataSource]) -> list[str]:
    """The names of all sources in alphabetical order, the analytics sources last."""
    return sorted(sources, key=lambda name: (sources[name].kind is not None, name))
