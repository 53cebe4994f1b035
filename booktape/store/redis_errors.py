"""One error for a Redis that cannot be reached, whichever part of Booktape uses it."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from booktape.model.errors import TransientError


class RedisUnavailableError(TransientError):
    """Redis does not answer, or answers with an error."""


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn the errors of redis-py inside the block into :class:`RedisUnavailableError`."""
    try:
        yield
    except RedisError as error:
        raise RedisUnavailableError(f"Redis does not answer: {error}; is REDIS_URL right?") from error
