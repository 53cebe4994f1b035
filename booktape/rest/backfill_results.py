"""The outcome of a day's backfill, as it is stored in a run's manifest."""

from msgspec import Struct


class BackfilledMarket(Struct, frozen=True):
    """One market's outcome.

    :param holes: the number of missing ranges.
    :param missing: the number of ids in them.
    :param healed: how many of these were fetched.
    :param why: why not all were fetched; None if all were.
    """

    holes: int
    missing: int
    healed: int
    why: str | None = None

    @property
    def still_missing(self) -> int:
        """How many ids are still missing."""
        return self.missing - self.healed


class BackfillResult(Struct, frozen=True):
    """The markets in which trades were missing, by name. ``why``: what ended the backfill early, if anything did."""

    markets: dict[str, BackfilledMarket]
    why: str | None = None

    @property
    def missing(self) -> int:
        """How many ids were missing in all markets."""
        return sum(market.missing for market in self.markets.values())

    @property
    def healed(self) -> int:
        """How many of them were fetched."""
        return sum(market.healed for market in self.markets.values())
