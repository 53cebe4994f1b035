"""The quota of a night's backfill: how many trades may be requested from one exchange, and for how long."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import uuid4

from msgspec import Struct, json

from booktape.model.errors import FailedError
from booktape.store.layout import quota_prefix
from booktape.store.objects import ObjectNotFoundError, Store

DEFAULT_MAX_TRADES: Final = 100_000
"""Trades that a night may request from each exchange."""

DEFAULT_MAX_SECONDS: Final = 900.0
"""Seconds for which a night may send requests to each exchange."""


class BackfillStoppedError(FailedError):
    """No more requests can be sent to this venue tonight."""


class Spent(Struct, frozen=True):
    """The trades that were requested, and the seconds that this took."""

    trades: int = 0
    seconds: float = 0.0


class QuotaAccount:
    """What all backfills of one night have spent on one exchange, as one of them sees it.

    Each backfill keeps an object of its own, so that none overwrites another's, and adds up those of the others. Two
    that send requests at the same moment do not see each other's: together they may exceed the quota by one response.

    :param night: identifies the night; backfills of the same night share a quota.
    """

    def __init__(self, store: Store, exchange: str, day: date, night: str) -> None:
        self._store = store
        self._prefix = quota_prefix(exchange, day, night)
        self._own = f"{self._prefix}{uuid4().hex}.json"

    def keep(self, spent: Spent) -> None:
        """Store what this backfill has spent in total."""
        self._store.replace(self._own, json.encode(spent))

    def others(self) -> Spent:
        """What all other backfills of the night have spent."""
        found = [self._read(item.key) for item in self._store.objects(self._prefix) if item.key != self._own]
        return Spent(sum(spent.trades for spent in found), sum(spent.seconds for spent in found))

    def _read(self, key: str) -> Spent:
        try:
            return json.decode(self._store.read(key), type=Spent)
        except ObjectNotFoundError:  # a lifecycle rule deleted it since it was listed
            return Spent()


@dataclass
class Quota:
    """What one night may request from one venue. It starts to run when it is made.

    :param trades: how many trades; each request counts as at least one.
    :param seconds: for how long.
    :param account: what other backfills of the night have spent counts too; None if there are no others.
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
        """Raise :class:`BackfillStoppedError` if the quota is used up."""
        if self.account is not None:
            self._others = self.account.others()
        if self._spent + self._others.trades >= self.trades:
            raise BackfillStoppedError(f"the night's quota of {self.trades:,} trades is used up")
        if self._left() <= 0:
            raise BackfillStoppedError(f"the night's quota of {self.seconds:.0f} s is used up")

    def spend(self, trades: int) -> None:
        """Count the trades of a response."""
        self._spent += max(1, trades)
        if self.account is not None:
            self.account.keep(Spent(self._spent, self._elapsed()))

    def wait(self, seconds: float, why: str) -> None:
        """Wait before the next request. Raises :class:`BackfillStoppedError` if the quota ends before."""
        if seconds > self._left():
            raise BackfillStoppedError(why)
        self.sleep(seconds)

    def _left(self) -> float:
        return self.seconds - self._others.seconds - self._elapsed()

    def _elapsed(self) -> float:
        return self.monotonic() - self._began
