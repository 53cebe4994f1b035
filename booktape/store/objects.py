"""The object store behind one URL: a directory (``file:///directory``) or S3 (``s3://bucket/prefix``).

Every write is atomic. :meth:`Store.create` never overwrites: it reports that the key is taken. Redundant collectors
deduplicate by such collisions. Credentials and endpoints for S3 come from the standard AWS environment variables
(``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ``AWS_REGION``), or from the role of the ECS task or EC2 instance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from booktape.model.errors import BooktapeError, InvalidInputError, NotAvailableError, RefusedError, TransientError

if TYPE_CHECKING:
    from obstore import ReadableFile
    from obstore.store import S3Config

_TIMEOUT: Final = timedelta(seconds=10)
_RETRIES: Final = 2


class InvalidStorageUrlError(InvalidInputError):
    """A URL is not a storage URL."""


class StorageUnavailableError(TransientError):
    """The store does not respond, or is busy."""


class StorageDeniedError(RefusedError):
    """The store refuses access, or the bucket or directory does not exist."""


class ObjectNotFoundError(NotAvailableError):
    """The key holds no object."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing shows it. ``size`` in bytes."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Store:
    """A directory or bucket. Thread-safe.

    Every method that reads or writes raises :class:`StorageUnavailableError` where another try may succeed, and
    :class:`StorageDeniedError` where it will not.
    """

    url: str
    _backend: LocalStore | S3Store

    def create(self, key: str, content: bytes) -> bool:
        """Write an object unless the key is taken.

        :returns: False where the key was taken. It holds an object either way.
        """
        try:
            obstore.put(self._backend, key, content, mode="create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise self._explained(error, key) from error
        return True

    def replace(self, key: str, content: bytes) -> None:
        """Write an object, whether or not the key is taken."""
        try:
            obstore.put(self._backend, key, content)
        except (BaseError, OSError) as error:
            raise self._explained(error, key) from error

    def upload(self, key: str, path: Path) -> None:
        """Write a local file, whether or not the key is taken. Readers see all of it or nothing."""
        try:
            obstore.put(self._backend, key, path)
        except (BaseError, OSError) as error:
            raise self._explained(error, key) from error

    def read(self, key: str) -> bytes:
        """Read a whole object. Raises :class:`ObjectNotFoundError`."""
        return b"".join(self.stream(key))

    def stream(self, key: str) -> Iterator[bytes]:
        """Read an object in chunks of a few MiB. Raises :class:`ObjectNotFoundError`."""
        try:
            for chunk in obstore.get(self._backend, key).stream(min_chunk_size=4 * 1024 * 1024):
                yield bytes(chunk)
        except (BaseError, OSError) as error:
            raise self._explained(error, key) from error

    def open(self, key: str) -> "ReadableFile":
        """Open an object as a file that fetches only the parts that are read. Raises :class:`ObjectNotFoundError`."""
        try:
            return obstore.open_reader(self._backend, key)
        except (BaseError, OSError) as error:
            raise self._explained(error, key) from error

    def exists(self, key: str) -> bool:
        """Whether the key holds an object."""
        try:
            obstore.head(self._backend, key)
        except FileNotFoundError:
            return False
        except (BaseError, OSError) as error:
            raise self._explained(error, key) from error
        return True

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """List the objects below a prefix, in no particular order. The prefix matches whole path segments."""
        try:
            for page in obstore.list(self._backend, prefix):
                for meta in page:
                    yield StoredObject(meta["path"], meta["size"], meta["last_modified"])
        except (BaseError, OSError) as error:
            raise self._explained(error, prefix) from error

    def folders(self, prefix: str) -> list[str]:
        """List the names of the folders directly below a prefix, sorted."""
        try:
            found = obstore.list_with_delimiter(self._backend, prefix)["common_prefixes"]
        except (BaseError, OSError) as error:
            raise self._explained(error, prefix) from error
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def delete(self, key: str) -> None:
        """Remove an object. A key without an object is no error."""
        try:
            obstore.delete(self._backend, key)
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise self._explained(error, key) from error

    @property
    def directory(self) -> Path | None:
        """The store's local directory; None for S3."""
        return directory_of(self.url)

    def _explained(self, error: Exception, key: str) -> BooktapeError:
        first_line = str(error).partition("\n")[0]
        if "NoSuchBucket" in str(error):
            return StorageDeniedError(f"{self.url}: there is no such bucket; create it, or correct the URL")
        if isinstance(error, FileNotFoundError):
            return ObjectNotFoundError(f"{self.url} has no object {key!r}")
        if isinstance(error, PermissionDeniedError | UnauthenticatedError | PermissionError):
            return StorageDeniedError(f"{self.url} refuses access to {key!r}: {first_line}; check the credentials")
        if "Permission denied" in first_line or "Read-only file system" in first_line:
            return StorageDeniedError(f"{self.url} may not be written: {first_line}; give this user write access")
        return StorageUnavailableError(f"{self.url} is not reachable: {first_line}")


def directory_of(url: str) -> Path | None:
    """The directory that a ``file://`` URL names; None for other URLs."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def open_store(url: str, *, make: bool = True) -> Store:
    """Open the store behind a URL. A path without a scheme names a directory. No request is made to S3 yet.

    :param make: create a directory that does not exist, rather than raise :class:`StorageDeniedError`.
    :raises InvalidStorageUrlError: not a storage URL.
    :raises StorageDeniedError: the directory does not exist, or cannot be created.
    """
    if "://" not in url:
        url = Path(url).absolute().as_uri()
    url = url.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path:
        directory = Path(unquote(parts.path))
        if not make and not directory.is_dir():
            raise StorageDeniedError(f"{url} does not exist; is it the right directory?")
        try:
            return Store(url, LocalStore(directory, mkdir=True))
        except (BaseError, OSError) as error:
            raise StorageDeniedError(f"{url} cannot be used: {str(error).partition(chr(10))[0]}") from error
    if parts.scheme == "s3" and parts.netloc:
        return Store(url, _s3(parts.netloc, parts.path.strip("/")))
    raise InvalidStorageUrlError(f"{url!r} is not a storage URL; use file:///directory or s3://bucket/prefix")


def _s3(bucket: str, prefix: str) -> S3Store:
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    config: S3Config = {"region": environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"}
    if endpoint:  # otherwise obstore takes that of AWS
        config["endpoint"] = endpoint
    plain = endpoint is not None and endpoint.startswith("http://")
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=config,
        client_options={"timeout": _TIMEOUT, "allow_http": plain},
        retry_config={"max_retries": _RETRIES, "retry_timeout": _TIMEOUT},
    )


class Fingerprint(NamedTuple):
    """A file's size in bytes and its SHA-256 in hex."""

    bytes: int
    sha256: str


def fingerprint(chunks: Iterator[bytes]) -> Fingerprint:
    """Compute the size and the hash of a file's chunks."""
    digest, size = sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return Fingerprint(size, digest.hexdigest())


def stream_file(url: str) -> Iterator[bytes]:
    """Read a file by its URL (``file://`` or ``s3://``) in chunks of a few MiB. Raises as :meth:`Store.stream` does."""
    parts = urlsplit(url)
    if parts.scheme == "s3":
        return open_store(f"s3://{parts.netloc}").stream(parts.path.lstrip("/"))
    path = Path(unquote(parts.path))
    return open_store(path.parent.as_uri()).stream(path.name)
