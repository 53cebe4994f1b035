"""What a night has asked of an exchange so far, by all who heal for it: other sources, and tries that were killed."""

from datetime import date
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
