"""Writes finished batches to the store, off the event loop.

While the store is unavailable, batches wait in a spool on the local disk.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from threading import Condition, Lock
from typing import Final, NamedTuple

from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.errors import BooktapeError, TransientError
from booktape.store.layout import BatchKey, batch_key, is_in_uptime_log
from booktape.store.objects import ObjectNotFoundError, Store

_THREADS: Final = 8
_MAX_WAITING: Final = 2048
_RETRY_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Uploads:
    """Counts of uploaded batches.

    ``objects``: written by this instance. ``collisions``: already there, written by another instance or an earlier
    run. ``spooled``: written to the spool first. ``dropped``: could not be written anywhere and are lost. ``size``:
    bytes written by this instance. ``segments``: objects of the uptime log; only this instance writes them, so they
    count neither as objects nor as collisions.
    """

    objects: int = 0
    collisions: int = 0
    spooled: int = 0
    dropped: int = 0
    size: int = 0
    segments: int = 0


class _Object(NamedTuple):
    """An object to write. ``on_saved`` is called when it is in the store or in the spool."""

    key: str
    content: bytes
    on_saved: Callable[[], None]


class _Upload(NamedTuple):
    """Creates an object off the event loop. ``on_lost`` is called when it could not be written anywhere."""

    name: str
    make: Callable[[], _Object]
    on_lost: Callable[[], None]


class Uploader:
    """Writes batches to the store on a few threads.

    At most ``max_waiting`` batches wait in memory; further ones go to the spool at once. A batch that the store does
    not accept goes to the spool, and :meth:`drain` moves it to the store later. A batch that the spool does not accept
    either is dropped, counted and reported to ``on_error``.

    :param spool: a store on the local disk, used by this instance alone.
    :param on_error: receives the key or name of an object, and why it could not be written.
    :param on_saved: receives the key and the number of records of each batch that is in the store or in the spool.
        It runs on the upload threads, because the key is computed there.
    :param on_lost: receives each batch that is dropped, on any thread.
    :param retry_seconds: for how long the store is not tried again after it was unavailable.
    """

    def __init__(
        self,
        store: Store,
        spool: Store,
        exchange: str,
        on_error: Callable[[str, BooktapeError], None],
        *,
        on_saved: Callable[[BatchKey, int], None] = lambda key, count: None,
        on_lost: Callable[[Batch], None] = lambda batch: None,
        max_waiting: int = _MAX_WAITING,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self._store = store
        self._spool = spool
        self._exchange = exchange
        self._on_error = on_error
        self._on_saved = on_saved
        self._on_lost = on_lost
        self._max_waiting = max_waiting
        self._retry_seconds = retry_seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="upload")
        self._lock = Condition()
        self._draining = Lock()
        self._numbers = count()
        self._pending: set[int] = set()
        self._unavailable_until = 0.0
        self._uploads = Uploads()

    @property
    def uploads(self) -> Uploads:
        """The counts so far."""
        return self._uploads

    @property
    def waiting(self) -> int:
        """The number of objects that wait in memory."""
        return len(self._pending)

    def submit(self, batch: Batch) -> None:
        """Upload a finished batch. Returns at once; where too many wait already, spools the batch before it returns."""
        name = f"{batch.data_type} of {batch.market}, {batch.first}-{batch.last}"
        self._submit(_Upload(name, partial(self._encode_batch, batch), partial(self._on_lost, batch)))

    def submit_object(self, name: str, make: Callable[[], tuple[str, bytes]]) -> None:
        """Upload another object, as :meth:`submit` does a batch.

        :param name: names it in errors.
        :param make: returns its key and its content; runs off the event loop.
        """
        self._submit(_Upload(name, lambda: _Object(*make(), _nothing), _nothing))

    def submit_object_last(self, name: str, make: Callable[[], tuple[str, bytes]]) -> None:
        """Upload an object after everything that was submitted before it is saved or lost.

        For segments of the uptime log: if the process is killed in between, no segment claims that a stream was
        connected whose batches are lost.
        """
        with self._lock:
            before = frozenset(self._pending)

        def after() -> _Object:
            with self._lock:  # the earlier ones have threads already, so this cannot deadlock
                self._lock.wait_for(lambda: before.isdisjoint(self._pending))
            return _Object(*make(), _nothing)

        self._enqueue(_Upload(name, after, _nothing))

    def wait(self) -> None:
        """Wait until everything that was submitted is in the store or in the spool, or is dropped."""
        with self._lock:
            self._lock.wait_for(lambda: not self._pending)

    def drain(self) -> int:
        """Move the objects of the spool to the store, oldest first. Returns how many it moved.

        Stops when the store is unavailable. An object that the store refuses stays in the spool and stops no other.
        """
        moved = 0
        with self._draining:
            for spooled in sorted(self._spool.objects(""), key=lambda spooled: spooled.modified):
                try:
                    content = self._spool.read(spooled.key)
                    created = self._store.create(spooled.key, content)
                except ObjectNotFoundError:  # another thread moved it
                    continue
                except TransientError as error:
                    self._mark_unavailable(spooled.key, error)
                    break
                except BooktapeError as error:
                    self._on_error(spooled.key, error)
                    continue
                self._spool.delete(spooled.key)
                self._stored(spooled.key, content, created=created)
                moved += 1
        return moved

    def close(self) -> int:
        """Wait for all uploads, drain the spool once more, and return how many objects are left there.

        Does not retry a store that is unavailable, because the process may be killed soon.
        """
        self._threads.shutdown(wait=True)
        if not self._is_unavailable():
            self.drain()
        return sum(1 for _ in self._spool.objects(""))

    def _submit(self, upload: _Upload) -> None:
        if self.waiting >= self._max_waiting:
            self._to_spool(upload.make(), upload.on_lost)
        else:
            self._enqueue(upload)

    def _enqueue(self, upload: _Upload) -> None:
        with self._lock:
            self._pending.add(number := next(self._numbers))
        self._threads.submit(self._upload, number, upload)

    def _upload(self, number: int, upload: _Upload) -> None:
        try:
            item = upload.make()
            if self._is_unavailable():
                self._to_spool(item, upload.on_lost)
                return
            try:
                created = self._store.create(item.key, item.content)
            except BooktapeError as error:
                self._refused(item.key, error)
                self._to_spool(item, upload.on_lost)
            else:
                self._stored(item.key, item.content, created=created)
                item.on_saved()
        except Exception as error:  # noqa: BLE001  # nobody waits for this thread, so a loss must be counted and reported here
            self._count(dropped=1)
            self._on_error(upload.name, BooktapeError(f"{type(error).__name__}: {error}"))
            upload.on_lost()
        finally:
            with self._lock:
                self._pending.discard(number)
                self._lock.notify_all()

    def _encode_batch(self, batch: Batch) -> _Object:
        key = batch_key(batch, self._exchange)
        return _Object(str(key), codec.compress(batch.lines), partial(self._on_saved, key, batch.count))

    def _to_spool(self, item: _Object, on_lost: Callable[[], None]) -> None:
        try:
            self._spool.create(item.key, item.content)
        except BooktapeError as error:
            self._count(dropped=1)
            self._on_error(item.key, error)
            on_lost()
        else:
            self._count(spooled=1)
            item.on_saved()

    def _is_unavailable(self) -> bool:
        return time.monotonic() < self._unavailable_until

    def _refused(self, key: str, error: BooktapeError) -> None:
        if isinstance(error, TransientError):
            self._mark_unavailable(key, error)
        else:
            self._on_error(key, error)

    def _mark_unavailable(self, key: str, error: BooktapeError) -> None:
        if not self._is_unavailable():
            self._on_error(key, error)
        self._unavailable_until = time.monotonic() + self._retry_seconds

    def _stored(self, key: str, content: bytes, *, created: bool) -> None:
        self._unavailable_until = 0.0
        if is_in_uptime_log(key):
            self._count(segments=1)
        elif created:
            self._count(objects=1, size=len(content))
        else:
            self._count(collisions=1)

    def _count(self, **more: int) -> None:
        with self._lock:
            now = self._uploads
            self._uploads = replace(now, **{name: getattr(now, name) + number for name, number in more.items()})


def _nothing() -> None:
    """The callback of objects that nobody tracks."""
