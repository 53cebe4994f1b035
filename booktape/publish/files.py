"""Copies files of any size, by URL, to a key of the publication store that is never overwritten."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from booktape.model.errors import BooktapeError, DataError
from booktape.publish.aws import Aws, aws_errors
from booktape.store.objects import Store, directory_of, stream_file

_NO_LINKS: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})


class FileChangedError(DataError):
    """A file is not the one that was checked, or has changed since."""


class S3Object(NamedTuple):
    """The bucket and key of an object in S3."""

    bucket: str
    key: str


def version(url: str, aws: Aws) -> str | None:
    """The ETag of an S3 object, which identifies its content; None for a local file."""
    found = s3_object(url)
    if found is None:
        return None
    with aws_errors():
        return aws.s3.head_object(Bucket=found.bucket, Key=found.key)["ETag"]


def s3_object(url: str) -> S3Object | None:
    """The bucket and key of an ``s3://`` URL; None for another URL."""
    parts = urlsplit(url)
    return S3Object(parts.netloc, parts.path.lstrip("/")) if parts.scheme == "s3" else None


def copy(url: str, pinned: str | None, target: Store, key: str, aws: Aws) -> None:
    """Copy a file to a key of a store, unless the key exists.

    Between S3 buckets the server copies (in parts above 5 GB). The caller must compare the fingerprint at the key
    afterwards, because S3 cannot make such a copy conditional on the key being free.

    :param pinned: the ETag that the source must have, for copies within S3; None to copy any.
    """
    if target.exists(key):
        return
    source, destination = s3_object(url), s3_object(f"{target.url}/{key}")
    if destination is None:
        _to_directory(url, target, key)
    elif source is None:
        with aws_errors():
            aws.s3.upload_file(unquote(urlsplit(url).path), destination.bucket, destination.key)
    else:
        pin = {"CopySourceIfMatch": pinned} if pinned is not None else {}
        with aws_errors():
            aws.s3.copy({"Bucket": source.bucket, "Key": source.key}, destination.bucket, destination.key, pin)


def _to_directory(url: str, target: Store, key: str) -> None:
    """Link the file to its key, or write a temporary file and link that. Readers see the whole file or none."""
    directory = directory_of(target.url)
    assert directory is not None, "only a directory has no S3 object behind its keys"
    path = directory / key
    source = directory_of(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if source is None or not _link(source, path):
            _write_and_link(stream_file(url), path)
    except FileExistsError:
        pass  # the first writer wins; the caller compares the content
    except OSError as error:
        raise BooktapeError(f"{path} cannot be written: {error.strerror}") from error


def _link(source: Path, path: Path) -> bool:
    """Make a hard link, which costs no space. Returns False if the file system cannot."""
    try:
        os.link(source, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True


def _write_and_link(chunks: Iterator[bytes], path: Path) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part") as temporary:
        for chunk in chunks:
            temporary.write(chunk)
        temporary.flush()
        os.fsync(temporary.fileno())
        Path(temporary.name).chmod(0o644)
        os.link(temporary.name, path)
