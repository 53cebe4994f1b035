"""What a night has asked of an exchange so far, by all who heal for it: other sources, and tries that were killed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import uuid4

from msgspec import Struct, json

from booktape.store.layout import quota_prefix
from booktape.store.objects import ObjectNotFoundError, Store


class Spent(Struct, frozen=True):
    """Trades and seconds of asking."""

    trades: int = 0
    seconds: float = 0.0


class QuotaAccount:
    """One night's account of one exchange, as one of several sees it who share it.

    Each keeps an object of its own, so that nobody overwrites another's, and sums up those of the others. What two
    ask for in the same moment, neither knows: together they may ask for an answer too many.

    :param night: what names the night: the same for all whose asking counts together.
    """

    def __init__(self, store: Store, exchange: str, day: date, night: str) -> None:
        self._store = store
        self._prefix = quota_prefix(exchange, day, night)
        self._own = f"{self._prefix}{uuid4().hex}.json"

    def keep(self, spent: Spent) -> None:
        """Say what this one has spent, all in all."""
        self._store.replace(self._own, json.encode(spent))

    def others(self) -> Spent:
        """What all others have spent."""
        found = [self._read(item.key) for item in self._store.objects(self._prefix) if item.key != self._own]
        return Spent(sum(spent.trades for spent in found), sum(spent.seconds for spent in found))

    def _read(self, key: str) -> Spent:
        try:
            return json.decode(self._store.read(key), type=Spent)
        except ObjectNotFoundError:  # a lifecycle rule took it since it was listed
            return Spent()


@dataclass
class Quota:
    """How much a night may ask of one venue: so many trades (a request counts as one at least), so many seconds.

    :param account: what others have asked in the same night counts as well; None where there are none.
    """

    trades: int
    seconds: float
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    account: QuotaAccount | None = None
    _spent: int = 0
    _others: Spent = field(default_factory=Spent)
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.monotonic()

    def require(self) -> None:
        """Raise :class:`BackfillStoppedError` where all is used up."""
        if self.account is not None:
            self._others = self.account.others()
        if self._spent + self._others.trades >= self.trades:
            raise BackfillStoppedError(f"the night's {self.trades:,} trades have been asked for")
        if self._left() <= 0:
            raise BackfillStoppedError(f"the night's {self.seconds:.0f} s of asking are over")

    def spend(self, trades: int) -> None:
        """Count the trades of an answer."""
        self._spent += max(1, trades)
        if self.account is not None:
            self.account.keep(Spent(self._spent, self._elapsed()))

    def wait(self, seconds: float, why: str) -> None:
        """Wait before the next request. Raises :class:`BackfillStoppedError` where that would be too long."""
        if seconds > self._left():
            raise BackfillStoppedError(why)
        self.sleep(seconds)

    def _left(self) -> float:
        return self.seconds - self._others.seconds - self._elapsed()

    def _elapsed(self) -> float:
        return self.monotonic() - self._began


class BackfillStoppedError(Exception):
    """Nothing more can be asked of this venue tonight."""


DEFAULT_MAX_TRADES: Final = 100_000


DEFAULT_MAX_SECONDS: Final = 900.0
