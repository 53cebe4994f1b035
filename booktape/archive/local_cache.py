"""Published files are held against the hashes beside them before they are read: DuckDB takes most damage for data.

Files that are needed on this machine for a while: copies out of a bucket, and stretches that were merged.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from threading import Lock
from typing import Final, Generic, NamedTuple, TypeVar

from booktape.archive.errors import ReadFailedError
from booktape.store.layout import hash_key
from booktape.store.objects import ObjectNotFoundError, Store


class Hashes:
    """The hashes beside the files of a store. A file is read once for its own, unless it changes. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sound: dict[Path, tuple[int, int, str]] = {}

    def told(self, key: str) -> dict[str, str]:
        """The hashes of a published file, or of all files of a folder, by their keys; empty where none are kept."""
        try:
            lines = self._store.read(hash_key(key)).decode("utf-8", "replace").splitlines()
        except ObjectNotFoundError:
            return {}
        folder = f"{key.rpartition('/')[0]}/"
        return {f"{folder}{name}": digest for digest, _, name in (line.partition("  ") for line in lines)}

    def check(self, key: str, path: Path, told: str | None) -> None:
        """Raise :class:`ReadFailedError` unless a file is the one that was published."""
        place = f"{self._store.url}/{key}"
        if told is None:
            raise ReadFailedError(f"{place} is not among the files that were published: move it away")
        try:
            state = path.stat()
            known = state.st_size, state.st_mtime_ns, told
            if self._sound.get(path) == known:
                return
            with path.open("rb") as file:
                found = file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ReadFailedError(f"{place} cannot be read: {error.strerror}; restore it") from error
        if found != told:
            raise ReadFailedError(f"{place} is not as it was published: its SHA-256 is another one; restore it")
        self._sound[path] = known


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
            raise ReadFailedError(
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
