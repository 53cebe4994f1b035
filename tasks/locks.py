"""Locks and heartbeats of runs, in Redis.

The lock of a source and day excludes other workers. It is held while a step runs, and a thread renews it, so a killed
worker's lock is free within seconds. The heartbeat of a run excludes nothing: it says until when a worker or a queued
task takes care of the run, also between its steps, so that ``resume`` leaves the run alone.

Both only avoid double work. The manifest's create-only writes keep the results right without them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from redis import Redis
from redis.exceptions import LockError, RedisError

from booktape.publish.retries import WaitingError
from booktape.store.layout import Run
from booktape.store.redis_errors import RedisUnavailableError, redis_errors

_RENEWALS: Final = 3
"""How often a lock is renewed within its lifetime."""

log = structlog.get_logger(__name__)


class LockedError(WaitingError):
    """Another worker holds the lock of this source and day."""


@contextmanager
def holding(client: Redis[bytes], run: Run, seconds: float) -> Iterator[None]:
    """Hold the lock of a run's source and day, and keep the run's heartbeat, while the block runs.

    :param seconds: how long the lock outlives a holder that is killed.

    Raises :class:`LockedError` at once if another worker holds the lock, and
    :class:`~booktape.store.redis_errors.RedisUnavailableError`.
    """
    lock = client.lock(f"booktape:lock:{run.source}:{run.day}", timeout=seconds, thread_local=False)
    with redis_errors():
        if not lock.acquire(blocking=False):
            raise LockedError(f"another worker is at {run.source} {run.day}")
    over = threading.Event()

    def renew() -> None:
        while not over.wait(seconds / _RENEWALS):
            try:
                lock.reacquire()
                heartbeat(client, run, seconds)
            except (RedisError, RedisUnavailableError) as error:  # the next renewal may succeed
                log.warning("lock not renewed", error=str(error))

    thread = threading.Thread(target=renew, name="lock renewal", daemon=True)
    thread.start()
    try:
        heartbeat(client, run, seconds)
        yield
    finally:
        over.set()
        thread.join()
        try:
            lock.release()
        except (LockError, RedisError) as error:
            log.warning("lock not released", error=str(error))


def heartbeat(client: Redis[bytes], run: Run, seconds: float) -> None:
    """Keep other workers from resuming a run for some seconds."""
    with redis_errors():
        client.set(_heartbeat_key(run), "1", px=_milliseconds(seconds))


def claim_heartbeat(client: Redis[bytes], run: Run, seconds: float) -> bool:
    """Like :func:`heartbeat`, unless the run has a heartbeat already; then False."""
    with redis_errors():
        return bool(client.set(_heartbeat_key(run), "1", px=_milliseconds(seconds), nx=True))


def _heartbeat_key(run: Run) -> str:
    return f"booktape:attended:{run.source}:{run.day}:{run.number}"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1_000))
