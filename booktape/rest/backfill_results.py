"""What became of a day's holes: plain data, as it stands in a run's manifest."""

from msgspec import Struct


class BackfilledMarket(Struct, frozen=True):
    """One market: its holes, the numbers in them, and how many of these were fetched. ``why`` not all of them were."""

    holes: int
    missing: int
    healed: int
    why: str | None = None

    @property
    def still_missing(self) -> int:
        """How many numbers nobody has even now."""
        return self.missing - self.healed


class BackfillResult(Struct, frozen=True):
    """The markets that had holes, by name. ``why``: what ended the asking before its end, if anything did."""

    markets: dict[str, BackfilledMarket]
    why: str | None = None

    @property
    def missing(self) -> int:
        """How many numbers nobody had, of all markets."""
        return sum(market.missing for market in self.markets.values())

    @property
    def healed(self) -> int:
        """How many of them were fetched."""
        return sum(market.healed for market in self.markets.values())
