"""From finished batches to objects, off the event loop. When the store is away, batches wait in a spool on disk."""

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
_MOST_WAITING: Final = 2048
_RETRY_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Uploads:
    """What became of the batches so far.

    ``objects`` were written by this instance; ``collisions`` were there already, written by another instance or an
    earlier run; ``spooled`` went to disk first; ``dropped`` could be written nowhere and are lost. ``size`` in bytes.
    ``segments`` are the ledger's objects: they are nobody else's, so they count neither as objects nor as collisions.
    """

    objects: int = 0
    collisions: int = 0
    spooled: int = 0
    dropped: int = 0
    size: int = 0
    segments: int = 0


class _Object(NamedTuple):
    """What is to be written; ``kept`` is told when it lies in the store or in the spool."""

    key: str
    content: bytes
    kept: Callable[[], None]


class _Wanted(NamedTuple):
    """What makes an object, and is told if it is lost."""

    name: str
    make: Callable[[], _Object]
    lost: Callable[[], None]


class Uploader:
    """Writes batches to the store on a few threads.

    At most ``most_waiting`` batches wait in memory; more go to the spool at once. A batch that the store does not take
    goes to the spool, from where :meth:`drain` moves it later; a batch that not even the spool takes is dropped,
    counted and told to ``on_error``.

    :param spool: a store on the local disk, of this instance alone.
    :param on_kept: is told of each batch that lies in the store or in the spool: its key and how many records it has.
        It is called on the upload threads, where the key is made anyway.
    :param on_lost: is told of each batch that is dropped, on any thread.
    """

    def __init__(
        self,
        store: Store,
        spool: Store,
        exchange: str,
        on_error: Callable[[str, BooktapeError], None],
        *,
        on_kept: Callable[[BatchKey, int], None] = lambda key, count: None,
        on_lost: Callable[[Batch], None] = lambda batch: None,
        most_waiting: int = _MOST_WAITING,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self._store = store
        self._spool = spool
        self._exchange = exchange
        self._on_error = on_error
        self._on_kept = on_kept
        self._on_lost = on_lost
        self._most_waiting = most_waiting
        self._retry_seconds = retry_seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="upload")
        self._lock = Condition()
        self._draining = Lock()
        self._taken = count()
        self._pending: set[int] = set()
        self._away_until = 0.0
        self._uploads = Uploads()

    @property
    def uploads(self) -> Uploads:
        """The counts so far."""
        return self._uploads

    @property
    def waiting(self) -> int:
        """How many batches wait in memory."""
        return len(self._pending)

    def submit(self, batch: Batch) -> None:
        """Take a finished batch. Returns at once, unless so many wait that this one is spooled here and now."""
        name = f"{batch.data_type} of {batch.market}, {batch.first}-{batch.last}"
        self._take(_Wanted(name, partial(self._of_batch, batch), partial(self._on_lost, batch)))

    def keep(self, name: str, make: Callable[[], tuple[str, bytes]]) -> None:
        """Take another object, as :meth:`submit` takes a batch.

        :param make: gives its key and its content; called off the event loop.
        """
        self._take(_Wanted(name, lambda: _Object(*make(), _nothing), _nothing))

    def keep_after(self, name: str, make: Callable[[], tuple[str, bytes]]) -> None:
        """As :meth:`keep`, and written when all that was taken before is safe, or lost: a segment of the ledger.

        A process that is killed in between has not told that a stream was heard whose batches went with it.
        """
        with self._lock:
            before = frozenset(self._pending)

        def after() -> _Object:
            with self._lock:  # those of before have threads already, so that nobody waits for ever
                self._lock.wait_for(lambda: before.isdisjoint(self._pending))
            return _Object(*make(), _nothing)

        self._hand_over(_Wanted(name, after, _nothing))

    def settle(self) -> None:
        """Wait until everything that was taken lies in the store or in the spool, or is dropped."""
        with self._lock:
            self._lock.wait_for(lambda: not self._pending)

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
                except ObjectNotFoundError:  # somebody else moved it
                    continue
                except TransientError as error:
                    self._mark_away(spooled.key, error)
                    break
                except BooktapeError as error:
                    self._on_error(spooled.key, error)
                    continue
                self._spool.delete(spooled.key)
                self._stored(spooled.key, content, created=created)
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

    def _take(self, wanted: _Wanted) -> None:
        if self.waiting >= self._most_waiting:
            self._to_spool(wanted.make(), wanted.lost)
        else:
            self._hand_over(wanted)

    def _hand_over(self, wanted: _Wanted) -> None:
        with self._lock:
            self._pending.add(number := next(self._taken))
        self._threads.submit(self._upload, number, wanted)

    def _upload(self, number: int, wanted: _Wanted) -> None:
        try:
            made = wanted.make()
            if self._is_away():
                self._to_spool(made, wanted.lost)
                return
            try:
                created = self._store.create(made.key, made.content)
            except BooktapeError as error:
                self._refused(made.key, error)
                self._to_spool(made, wanted.lost)
            else:
                self._stored(made.key, made.content, created=created)
                made.kept()
        except Exception as error:  # nobody waits for this thread: what it loses must be counted and told here
            self._count(dropped=1)
            self._on_error(wanted.name, BooktapeError(f"{type(error).__name__}: {error}"))
            wanted.lost()
        finally:
            with self._lock:
                self._pending.discard(number)
                self._lock.notify_all()

    def _of_batch(self, batch: Batch) -> _Object:
        key = batch_key(batch, self._exchange)
        return _Object(str(key), codec.compress(batch.lines), partial(self._on_kept, key, batch.count))

    def _to_spool(self, made: _Object, lost: Callable[[], None]) -> None:
        try:
            self._spool.create(made.key, made.content)
        except BooktapeError as error:
            self._count(dropped=1)
            self._on_error(made.key, error)
            lost()
        else:
            self._count(spooled=1)
            made.kept()

    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _refused(self, key: str, error: BooktapeError) -> None:
        if isinstance(error, TransientError):
            self._mark_away(key, error)
        else:
            self._on_error(key, error)

    def _mark_away(self, key: str, error: BooktapeError) -> None:
        if not self._is_away():
            self._on_error(key, error)
        self._away_until = time.monotonic() + self._retry_seconds

    def _stored(self, key: str, content: bytes, *, created: bool) -> None:
        self._away_until = 0.0
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
    """Nobody wants to know."""
