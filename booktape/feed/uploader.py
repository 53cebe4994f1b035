"""From finished batches to objects, off the event loop. When the store is away, batches wait in a spool on disk."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final

from booktape.core import codec
from booktape.core.streams import Batch, key_of
from booktape.errors import BooktapeError, Transient
from booktape.storage import NoSuchObject, Store

_THREADS: Final = 8
_MOST_WAITING: Final = 2048
_RETRY_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Uploads:
    """What became of the batches so far.

    ``objects`` were written by this instance; ``collisions`` were there already, written by another instance or an
    earlier run; ``spooled`` went to disk first; ``dropped`` could be written nowhere and are lost. ``size`` in bytes.
    """

    objects: int = 0
    collisions: int = 0
    spooled: int = 0
    dropped: int = 0
    size: int = 0


class Uploader:
    """Writes batches to the store on a few threads.

    At most ``most_waiting`` batches wait in memory; more go to the spool at once. A batch that the store does not take
    goes to the spool, from where :meth:`drain` moves it later; a batch that not even the spool takes is dropped,
    counted and told to ``on_error``.

    :param spool: a store on the local disk, of this instance alone.
    """

    def __init__(
        self,
        store: Store,
        spool: Store,
        exchange: str,
        on_error: Callable[[str, BooktapeError], None],
        *,
        most_waiting: int = _MOST_WAITING,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self._store = store
        self._spool = spool
        self._exchange = exchange
        self._on_error = on_error
        self._most_waiting = most_waiting
        self._retry_seconds = retry_seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="upload")
        self._lock = Lock()
        self._draining = Lock()
        self._waiting = 0
        self._away_until = 0.0
        self._uploads = Uploads()

    @property
    def uploads(self) -> Uploads:
        """The counts so far."""
        return self._uploads

    @property
    def waiting(self) -> int:
        """How many batches wait in memory."""
        return self._waiting

    def submit(self, batch: Batch) -> None:
        """Take a finished batch. Returns at once, unless so many wait that this one is spooled here and now."""
        if self._waiting >= self._most_waiting:
            self._to_spool(*self._object(batch))
            return
        with self._lock:
            self._waiting += 1
        self._threads.submit(self._upload, batch)

    def drain(self) -> int:
        """Move what the spool holds to the store, oldest first. Returns how many moved.

        Ends where the store is away. What the store refuses for itself stays, and stops nothing else.
        """
        moved = 0
        with self._draining:
            for spooled in sorted(self._spool.objects(""), key=lambda spooled: spooled.modified):
                try:
                    content = self._spool.read(spooled.key)
                    created = self._store.create(spooled.key, content)
                except NoSuchObject:  # somebody else moved it
                    continue
                except Transient as error:
                    self._mark_away(spooled.key, error)
                    break
                except BooktapeError as error:
                    self._on_error(spooled.key, error)
                    continue
                self._spool.delete(spooled.key)
                self._stored(content, created=created)
                moved += 1
        return moved

    def close(self) -> int:
        """Wait for every batch taken, try the spool once more, and return how many objects still lie there.

        A store that is away is not waited for again: this process may not have the time.
        """
        self._threads.shutdown(wait=True)
        if not self._is_away():
            self.drain()
        return sum(1 for _ in self._spool.objects(""))

    def _upload(self, batch: Batch) -> None:
        try:
            key, content = self._object(batch)
            if self._is_away():
                self._to_spool(key, content)
                return
            try:
                created = self._store.create(key, content)
            except BooktapeError as error:
                self._refused(key, error)
                self._to_spool(key, content)
            else:
                self._stored(content, created=created)
        except Exception as error:  # nobody waits for this thread: what it loses must be counted and told here
            self._count(dropped=1)
            name = f"{batch.data_type} of {batch.market}, {batch.first}-{batch.last}"
            self._on_error(name, BooktapeError(f"{type(error).__name__}: {error}"))
        finally:
            with self._lock:
                self._waiting -= 1

    def _object(self, batch: Batch) -> tuple[str, bytes]:
        return str(key_of(batch, self._exchange)), codec.compress(batch.lines)

    def _to_spool(self, key: str, content: bytes) -> None:
        try:
            self._spool.create(key, content)
        except BooktapeError as error:
            self._count(dropped=1)
            self._on_error(key, error)
        else:
            self._count(spooled=1)

    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _refused(self, key: str, error: BooktapeError) -> None:
        if isinstance(error, Transient):
            self._mark_away(key, error)
        else:
            self._on_error(key, error)

    def _mark_away(self, key: str, error: BooktapeError) -> None:
        if not self._is_away():
            self._on_error(key, error)
        self._away_until = time.monotonic() + self._retry_seconds

    def _stored(self, content: bytes, *, created: bool) -> None:
        self._away_until = 0.0
        if created:
            self._count(objects=1, size=len(content))
        else:
            self._count(collisions=1)

    def _count(self, **more: int) -> None:
        with self._lock:
            now = self._uploads
            self._uploads = replace(now, **{name: getattr(now, name) + number for name, number in more.items()})
