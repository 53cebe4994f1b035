"""Requests past trades from a venue, at half of its rate limit and within a night's quota."""

from collections.abc import Sequence
from typing import Final

import httpx
from msgspec import MsgspecError

from booktape.exchanges.spec import Exchange, RestTrades
from booktape.model.errors import NotAvailableError, TransientError
from booktape.model.gap import Gap
from booktape.model.records import MINUTE, Trade, sequence_id
from booktape.rest.client import VenueRefusedError, send_request
from booktape.rest.quota import BackfillStoppedError, Quota
from booktape.rest.rate_limits import RateLimitedError, RateLimiter

_TRIES: Final = 3
_RETRY_SECONDS: Final = 5.0
"""The pause after a request that the venue did not answer."""

_SHARE: Final = 2
"""One request of so many is a backfill's; the others are for order books and lists of instruments."""


class TradesNotGivenError(NotAvailableError):
    """The venue does not serve the requested trades. It may serve those of other markets."""


class TradeHistory:
    """The past trades of one venue.

    :param base: used instead of the REST URL that the exchange declares.
    """

    def __init__(
        self,
        exchange: Exchange,
        past: RestTrades,
        rate_limiter: RateLimiter,
        client: httpx.Client,
        quota: Quota,
        base: str | None = None,
    ) -> None:
        self._past = past
        self._rate_limiter = rate_limiter
        self._client = client
        self._quota = quota
        self._base = base or exchange.rest.url
        self._pause = _SHARE * 60 * past.weight / exchange.rest.weight_per_minute
        self._next = 0.0

    def fetch(self, symbol: str, missing: Gap) -> Sequence[Trade]:
        """One response of the venue to a request for missing trades; perhaps only some of them, and others too.

        Raises :class:`TradesNotGivenError` or :class:`~booktape.rest.quota.BackfillStoppedError`, and no other error
        of the venue.
        """
        failures = 0
        while True:
            self._quota.require()
            try:
                trades = self._request(symbol, missing)
            except RateLimitedError as error:
                self._quota.wait(error.seconds, str(error))
            except TransientError as error:
                failures += 1
                if failures == _TRIES:
                    raise BackfillStoppedError(str(error)) from error
                self._quota.wait(_RETRY_SECONDS, str(error))
            else:
                self._quota.spend(len(trades))
                return trades

    def _request(self, symbol: str, missing: Gap) -> Sequence[Trade]:
        self._keep_pace()
        try:
            response = send_request(
                self._past.request(symbol, missing), self._past.weight, self._rate_limiter, self._client, self._base
            )
        except (VenueRefusedError, httpx.HTTPError) as error:
            raise TradesNotGivenError(str(error)) from error
        try:
            trades = self._past.parse(response.body, response.received)
        except (MsgspecError, ValueError, LookupError, RecursionError) as error:
            raise TradesNotGivenError(f"{response.url}: {error}") from error
        for trade in trades:
            if not _may_fill(missing, trade):
                raise TradesNotGivenError(
                    f"{response.url}: trade {trade.id} has the time {trade.timestamp} µs, far from its neighbours"
                )
        return trades

    def _keep_pace(self) -> None:
        now = self._quota.monotonic()
        if now < self._next:
            self._quota.wait(self._next - now, "the night's quota of time is used up")
        self._next = max(now, self._next) + self._pause


def _may_fill(missing: Gap, trade: Trade) -> bool:
    """Whether a trade with a missing id has a plausible time. Stored trades are never corrected."""
    number = sequence_id(trade)
    if number is None or not missing.first <= number <= missing.last:
        return True
    return missing.after - MINUTE <= trade.timestamp <= missing.before + MINUTE
