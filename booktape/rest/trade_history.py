"""Asking a venue for past trades: patiently, at half of its budget, and for one night no more than is allowed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx
from msgspec import MsgspecError

from booktape.exchanges.spec import Exchange, MissingRange, RestTrades
from booktape.model.errors import TransientError
from booktape.model.records import MINUTE, Trade, sequence_id
from booktape.rest.client import RateLimiter, VenueRefusedError, send_request
from booktape.rest.quota import QuotaAccount, Spent
from booktape.rest.rate_limits import RateLimitedError

_TRIES: Final = 3
_PAUSE: Final = 5.0
"""Seconds before a venue that did not answer is asked again."""

_SHARE: Final = 2
"""Others ask the venue too (order books, lists): every second request is theirs."""


class TradesNotGivenError(Exception):
    """The venue does not give what was asked for; it may give other markets' trades."""


class BackfillStoppedError(Exception):
    """Nothing more can be asked of this venue tonight."""


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


def _may_fill(hole: MissingRange, trade: Trade) -> bool:
    """Whether a trade that has a number of the hole has a time there: what is kept, is kept for good."""
    number = sequence_id(trade)
    if number is None or not hole.first <= number <= hole.last:
        return True
    return hole.after - MINUTE <= trade.timestamp <= hole.before + MINUTE


class TradeHistory:
    """One venue's past trades.

    :param base: used instead of the REST URL that the exchange declares.
    """

    def __init__(
        self,
        exchange: Exchange,
        past: RestTrades,
        purse: RateLimiter,
        client: httpx.Client,
        allowance: Quota,
        base: str | None = None,
    ) -> None:
        self._past = past
        self._purse = purse
        self._client = client
        self._allowance = allowance
        self._base = base or exchange.rest.url
        self._pause = _SHARE * 60 * past.weight / exchange.rest.weight_per_minute
        self._next = 0.0

    def ask(self, hole: MissingRange) -> Sequence[Trade]:
        """What the venue tells of a hole, once.

        Raises :class:`TradesNotGivenError` and :class:`BackfillStoppedError`, never an error of the venue's.
        """
        failures = 0
        while True:
            self._allowance.require()
            try:
                trades = self._ask(hole)
            except RateLimitedError as error:
                self._allowance.wait(error.seconds, str(error))
            except TransientError as error:
                failures += 1
                if failures == _TRIES:
                    raise BackfillStoppedError(str(error)) from error
                self._allowance.wait(_PAUSE, str(error))
            else:
                self._allowance.spend(len(trades))
                return trades

    def _ask(self, hole: MissingRange) -> Sequence[Trade]:
        self._keep_pace()
        try:
            answer = send_request(self._past.request(hole), self._past.weight, self._purse, self._client, self._base)
        except (VenueRefusedError, httpx.HTTPError) as error:
            raise TradesNotGivenError(str(error)) from error
        try:
            trades = self._past.parse(hole, answer.body, answer.received)
        except (MsgspecError, ValueError, LookupError, RecursionError) as error:
            raise TradesNotGivenError(f"{answer.url}: {error}") from error
        for trade in trades:
            if not _may_fill(hole, trade):
                raise TradesNotGivenError(
                    f"{answer.url}: trade {trade.id} is told at {trade.timestamp} µs, far from its neighbours"
                )
        return trades

    def _keep_pace(self) -> None:
        now = self._allowance.monotonic()
        if now < self._next:
            self._allowance.wait(self._next - now, "the night's time of asking is over")
        self._next = max(now, self._next) + self._pause
