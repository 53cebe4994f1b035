"""Who works on what, kept in Redis: a lock per source and day, and a sign of life per run.

The lock excludes: it is held while a step runs, and its holder's heartbeat renews it, so a killed worker's lock is free
within seconds. The sign of life excludes nothing: it says until when somebody means to look after a run, between its
steps as well, so that ``resume`` leaves it alone. Both only spare work and confusion. What keeps the result right are
the manifest's create-only writes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from redis import Redis
from redis.exceptions import LockError, RedisError

from booktape.model.errors import TransientError
from booktape.publish.errors import WaitingError
from booktape.store.layout import Run

_RENEWALS: Final = 3
"""How often a lock is renewed within its life."""

log = structlog.get_logger(__name__)


class LockedError(WaitingError):
    """Another worker is at this source and day."""


class RedisDownError(TransientError):
    """Redis does not answer."""


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn what the Redis client raises inside into :class:`RedisDownError`."""
    try:
        yield
    except RedisError as error:
        raise RedisDownError(f"Redis does not answer: {error}") from error


@contextmanager
def holding(client: Redis[bytes], run: Run, seconds: float) -> Iterator[None]:
    """Hold the lock of a run's source and day. Raises :class:`LockedError` at once if another worker does.

    :param seconds: how long the lock outlives its holder.
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
            except (
                RedisError,
                TransientError,
            ) as error:  # the next beat may succeed; the step itself does no harm twice
                log.warning("lock not renewed", error=str(error))

    heart = threading.Thread(target=renew, name="lock heartbeat", daemon=True)
    heart.start()
    try:
        heartbeat(client, run, seconds)
        yield
    finally:
        over.set()
        heart.join()
        try:
            lock.release()
        except (LockError, RedisError) as error:
            log.warning("lock not released", error=str(error))


def heartbeat(client: Redis[bytes], run: Run, seconds: float) -> None:
    """Say that somebody looks after a run for the next seconds."""
    with redis_errors():
        client.set(_sign(run), "1", px=_milliseconds(seconds))


def claim_heartbeat(client: Redis[bytes], run: Run, seconds: float) -> bool:
    """Say so unless somebody does already; False means that."""
    with redis_errors():
        return bool(client.set(_sign(run), "1", px=_milliseconds(seconds), nx=True))


def _sign(run: Run) -> str:
    return f"booktape:attended:{run.source}:{run.day}:{run.number}"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1_000))
