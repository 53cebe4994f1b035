"""Published files are held against the hashes beside them before they are read: DuckDB takes most damage for data."""

from hashlib import file_digest
from pathlib import Path

from booktape.archive.errors import ReadFailed
from booktape.storage import NoSuchObject, Store


class Hashes:
    """The hashes beside the files of a store. A file is read once for its own, unless it changes. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sound: dict[Path, tuple[int, int, str]] = {}

    def told(self, key: str) -> dict[str, str]:
        """The hashes of a published file, or of all files of a folder, by their keys; empty where none are kept."""
        try:
            lines = self._store.read(f"{key}.sha256").decode("utf-8", "replace").splitlines()
        except NoSuchObject:
            return {}
        folder = f"{key.rpartition('/')[0]}/"
        return {f"{folder}{name}": digest for digest, _, name in (line.partition("  ") for line in lines)}

    def check(self, key: str, path: Path, told: str | None) -> None:
        """Raise :class:`ReadFailed` unless a file is the one that was published."""
        place = f"{self._store.url}/{key}"
        if told is None:
            raise ReadFailed(f"{place} is not among the files that were published: move it away")
        try:
            state = path.stat()
            known = state.st_size, state.st_mtime_ns, told
            if self._sound.get(path) == known:
                return
            with path.open("rb") as file:
                found = file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ReadFailed(f"{place} cannot be read: {error.strerror}; restore it") from error
        if found != told:
            raise ReadFailed(f"{place} is not as it was published: its SHA-256 is another one; restore it")
        self._sound[path] = known
