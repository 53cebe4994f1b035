"""Blocking iterators for the event loop: read in threads, a little ahead of whoever takes the items."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

_ITEMS_AT_A_TIME: Final = 500

_threads: Final = ThreadPoolExecutor(16, thread_name_prefix="read")
"""Readings of many clients go on side by side: one that has to wait for the store must not stop the others."""


class Ahead(Generic[Item]):
    """An iterator's items, at most two batches of them in memory. Close it, or the iterator stays open.

    :param make: makes the iterator, off the event loop too.
    """

    def __init__(self, make: Callable[[], Iterator[Item]]) -> None:
        self._make = make
        self._iterator: Iterator[Item] | None = None
        self._coming: asyncio.Future[list[Item]] | None = None
        self._failure: Exception | None = None
        self._over = False

    async def batch(self) -> list[Item]:
        """The next items; none at the end. Raises what the iterator raises."""
        if self._over:
            return []
        items = await asyncio.shield(self._coming or self._read())
        self._over = not items
        self._coming = self._read() if items else None
        return items

    async def __aiter__(self) -> AsyncIterator[Item]:
        while items := await self.batch():
            for item in items:
                yield item

    async def close(self) -> None:
        """Stop reading, and close the iterator where it can be closed."""
        self._over = True
        if self._coming is not None:
            await asyncio.gather(self._coming, return_exceptions=True)
        close = getattr(self._iterator, "close", None)
        if close is not None:
            await asyncio.get_running_loop().run_in_executor(_threads, close)

    def _read(self) -> asyncio.Future[list[Item]]:
        self._coming = asyncio.get_running_loop().run_in_executor(_threads, self._take)
        return self._coming

    def _take(self) -> list[Item]:
        items: list[Item] = []
        if self._failure is not None:
            raise self._failure
        try:
            if self._iterator is None:
                self._iterator = iter(self._make())
            items.extend(islice(self._iterator, _ITEMS_AT_A_TIME))
        except Exception as error:  # whatever it is, what was read before comes first
            if not items:
                raise
            self._failure = error
        return items
