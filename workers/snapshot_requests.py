"""Asks the snapshot workers, through Redis, for the REST book of a market."""

import asyncio
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from booktape.exchanges.spec import Exchange
from config.celery import snapshot_queue

TASK = "tasks.snapshots.fetch"
_EXPIRES_SECONDS = 600
"""A request that waits longer than this is worth nothing: the market has been asked for again, or goes on."""


class SnapshotRequests:
    """Markets whose book needs a snapshot, each asked for once. While Redis is away they wait; recording goes on.

    Without ``redis_url`` nobody is asked: the scheduled snapshots must do.
    """

    def __init__(self, exchange: Exchange, redis_url: str | None) -> None:
        self._exchange = exchange
        self._log = structlog.get_logger().bind(exchange=exchange.id)
        self._waiting: dict[str, None] = {}
        self._app: Any = None if redis_url is None else _sender(redis_url)
        self._away = False

    def want(self, market: str) -> None:
        """Ask for a market's book, unless that is waiting already."""
        if self._app is not None:
            self._waiting[market] = None

    async def send_waiting(self) -> None:
        """Send what waits, off the event loop. What cannot be sent goes on waiting."""
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
                if not self._away:
                    self._log.warning("redis_away", error=str(error), waiting=len(self._waiting))
                self._away = True
                return
            self._away = False
            self._waiting.pop(market, None)


def _sender(redis_url: str) -> Celery:
    app = Celery(broker=redis_url, set_as_current=False)
    # Without max_retries, kombu asks an absent Redis again and again, and the worker's exit waits for that.
    options = {"socket_connect_timeout": 2, "socket_timeout": 2, "max_retries": 0}
    app.conf.update(task_serializer="json", broker_transport_options=options)
    return app
