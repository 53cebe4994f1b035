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

from booktape.errors import Transient
from booktape.publish.errors import Waiting
from booktape.publish.sources import Run

_RENEWALS: Final = 3
"""How often a lock is renewed within its life."""

log = structlog.get_logger(__name__)


class Locked(Waiting):
    """Another worker is at this source and day."""


class RedisUnavailable(Transient):
    """Redis does not answer."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the Redis client raises inside into :class:`RedisUnavailable`."""
    try:
        yield
    except RedisError as error:
        raise RedisUnavailable(f"Redis does not answer: {error}") from error


@contextmanager
def holding(client: Redis[bytes], run: Run, seconds: float) -> Iterator[None]:
    """Hold the lock of a run's source and day. Raises :class:`Locked` at once if another worker does.

    :param seconds: how long the lock outlives its holder.
    """
    lock = client.lock(f"booktape:lock:{run.source}:{run.day}", timeout=seconds, thread_local=False)
    with explained():
        if not lock.acquire(blocking=False):
            raise Locked(f"another worker is at {run.source} {run.day}")
    over = threading.Event()

    def renew() -> None:
        while not over.wait(seconds / _RENEWALS):
            try:
                lock.reacquire()
                attend(client, run, seconds)
            except (RedisError, Transient) as error:  # the next beat may succeed; the step itself does no harm twice
                log.warning("lock not renewed", error=str(error))

    heart = threading.Thread(target=renew, name="lock heartbeat", daemon=True)
    heart.start()
    try:
        attend(client, run, seconds)
        yield
    finally:
        over.set()
        heart.join()
        try:
            lock.release()
        except (LockError, RedisError) as error:
            log.warning("lock not released", error=str(error))


def attend(client: Redis[bytes], run: Run, seconds: float) -> None:
    """Say that somebody looks after a run for the next seconds."""
    with explained():
        client.set(_sign(run), "1", px=_milliseconds(seconds))


def attend_alone(client: Redis[bytes], run: Run, seconds: float) -> bool:
    """Say so unless somebody does already; False means that."""
    with explained():
        return bool(client.set(_sign(run), "1", px=_milliseconds(seconds), nx=True))


def _sign(run: Run) -> str:
    return f"booktape:attended:{run.source}:{run.day}:{run.number}"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1_000))
