"""Files that are needed on this machine for a while: copies out of a bucket, and stretches that were merged."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final, Generic, NamedTuple, TypeVar

from booktape.archive.errors import ReadFailed

T = TypeVar("T")

MOST_BYTES: Final = 8 * 1024**3


class _Kept(NamedTuple, Generic[T]):
    path: Path
    bytes: int
    note: T


class Cache(Generic[T]):
    """A directory of files by name, each with a note. What was not asked for longest goes first.

    Files that are being read stay, so the bound may be passed by those. Thread-safe; one file is made at a time.
    """

    def __init__(self, directory: Path, most_bytes: int = MOST_BYTES) -> None:
        self._directory = directory
        self._most = most_bytes
        self._lock = Lock()
        self._kept: OrderedDict[str, _Kept[T]] = OrderedDict()
        self._readers: dict[str, int] = {}

    @contextmanager
    def file(self, name: str, make: Callable[[Path], T]) -> Iterator[tuple[Path, T]]:
        """A file by its name, for as long as it is read; made by ``make`` (path to note) unless it is there."""
        with self._lock:
            kept = self._kept.get(name) or self._made(name, make)
            self._kept.move_to_end(name)
            self._readers[name] = self._readers.get(name, 0) + 1
        try:
            yield kept.path, kept.note
        finally:
            with self._lock:
                self._readers[name] -= 1
                self._shrink()

    def _made(self, name: str, make: Callable[[Path], T]) -> _Kept[T]:
        path = self._directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            note = make(path)
            made = self._kept[name] = _Kept(path, path.stat().st_size, note)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise ReadFailed(
                f"{self._directory} cannot be written: {error.strerror}; make room, or set TMPDIR to another directory"
            ) from error
        self._shrink(but=name)
        return made

    def _shrink(self, but: str | None = None) -> None:
        size = sum(kept.bytes for kept in self._kept.values())
        for name in list(self._kept):
            if size <= self._most:
                return
            if name == but or self._readers.get(name):
                continue
            kept = self._kept.pop(name)
            self._readers.pop(name, None)
            kept.path.unlink(missing_ok=True)
            size -= kept.bytes
