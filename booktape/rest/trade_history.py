"""Asking a venue for past trades: patiently, at half of its budget, and for one night no more than is allowed."""

from collections.abc import Sequence
from typing import Final

import httpx
from msgspec import MsgspecError

from booktape.exchanges.spec import Exchange, Hole, RestTrades
from booktape.model.errors import TransientError
from booktape.model.records import MINUTE, Trade, sequence_id
from booktape.rest.client import RateLimiter, VenueRefusedError, send_request
from booktape.rest.quota import BackfillStoppedError, Quota
from booktape.rest.rate_limits import RateLimitedError

_TRIES: Final = 3
_PAUSE: Final = 5.0
"""Seconds before a venue that did not answer is asked again."""

_SHARE: Final = 2
"""Others ask the venue too (order books, lists): every second request is theirs."""


class TradesNotGivenError(Exception):
    """The venue does not give what was asked for; it may give other markets' trades."""


def _may_fill(hole: Hole, trade: Trade) -> bool:
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
        self._pause = _SHARE * 60 * past.weight / exchange.rest.budget
        self._next = 0.0

    def ask(self, hole: Hole) -> Sequence[Trade]:
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

    def _ask(self, hole: Hole) -> Sequence[Trade]:
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
