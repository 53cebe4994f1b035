"""Requests REST books from the snapshot workers, through Redis."""

import asyncio
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from booktape.exchanges.spec import Exchange
from config.celery import snapshot_queue

TASK = "tasks.snapshots.fetch"
_EXPIRES_SECONDS = 600
"""A request that waits longer is useless: by then the market has been requested again, or is whole again."""


class SnapshotRequests:
    """The markets whose books need a snapshot, each requested once.

    While Redis is unavailable they wait, and recording goes on. Without ``redis_url`` nothing is requested, and only
    the scheduled snapshots are fetched.
    """

    def __init__(self, exchange: Exchange, redis_url: str | None) -> None:
        self._exchange = exchange
        self._log = structlog.get_logger().bind(exchange=exchange.id)
        self._waiting: dict[str, None] = {}
        self._app: Any = None if redis_url is None else _sender(redis_url)
        self._unavailable = False

    def add(self, market: str) -> None:
        """Request a market's book, unless the request is waiting already."""
        if self._app is not None:
            self._waiting[market] = None

    async def send_waiting(self) -> None:
        """Send the waiting requests, off the event loop. A request that cannot be sent stays."""
        if self._waiting:
            await asyncio.to_thread(self._send)

    def _send(self) -> None:
        for market in list(self._waiting):
            try:
                self._app.send_task(
                    TASK,
                    args=[self._exchange.id, market],
                    queue=snapshot_queue(self._exchange.id),
                    expires=_EXPIRES_SECONDS,
                    retry=False,
                    ignore_result=True,
                )
            except OperationalError as error:
                if not self._unavailable:
                    self._log.warning("redis_unavailable", error=str(error), waiting=len(self._waiting))
                self._unavailable = True
                return
            self._unavailable = False
            self._waiting.pop(market, None)


def _sender(redis_url: str) -> Celery:
    app = Celery(broker=redis_url, set_as_current=False)
    # Without max_retries, kombu retries an unavailable Redis for ever, and the exit of the worker waits for it.
    options = {"socket_connect_timeout": 2, "socket_timeout": 2, "max_retries": 0}
    app.conf.update(task_serializer="json", broker_transport_options=options)
    return app
