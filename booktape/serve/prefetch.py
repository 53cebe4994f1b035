"""Blocking iterators for the event loop: read in threads, a little ahead of the consumer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

_BATCH_SIZE: Final = 500

_threads: Final = ThreadPoolExecutor(16, thread_name_prefix="read")
"""Reads for many clients run side by side: one that waits for the store does not stop the others."""


class Prefetcher(Generic[Item]):
    """The items of an iterator, at most two batches of them in memory. Close it, or the iterator stays open.

    :param make: creates the iterator; called in a thread as well.
    """

    def __init__(self, make: Callable[[], Iterator[Item]]) -> None:
        self._make = make
        self._iterator: Iterator[Item] | None = None
        self._pending: asyncio.Future[list[Item]] | None = None
        self._failure: Exception | None = None
        self._over = False

    async def batch(self) -> list[Item]:
        """The next items; an empty list at the end. Raises what the iterator raises."""
        if self._over:
            return []
        items = await asyncio.shield(self._pending or self._read())
        self._over = not items
        self._pending = self._read() if items else None
        return items

    async def first_batch(self) -> list[Item]:
        """The first items. Closes the iterator where that fails: an invalid request is known by then."""
        try:
            return await self.batch()
        except BaseException:  # also on cancellation
            await self.close()
            raise

    async def __aiter__(self) -> AsyncIterator[Item]:
        while items := await self.batch():
            for item in items:
                yield item

    async def close(self) -> None:
        """Stop reading, and close the iterator where it has a ``close``."""
        self._over = True
        if self._pending is not None:
            await asyncio.gather(self._pending, return_exceptions=True)
        close = getattr(self._iterator, "close", None)
        if close is not None:
            await asyncio.get_running_loop().run_in_executor(_threads, close)

    def _read(self) -> asyncio.Future[list[Item]]:
        self._pending = asyncio.get_running_loop().run_in_executor(_threads, self._take)
        return self._pending

    def _take(self) -> list[Item]:
        items: list[Item] = []
        if self._failure is not None:
            raise self._failure
        try:
            if self._iterator is None:
                self._iterator = iter(self._make())
            items.extend(islice(self._iterator, _BATCH_SIZE))
        except Exception as error:  # of any kind: the items read before it are given first
            if not items:
                raise
            self._failure = error
        return items
