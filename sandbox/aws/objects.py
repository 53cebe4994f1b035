"""moto's S3 from inside the process: what Athena and Data Exchange read and write there."""

from dataclasses import dataclass

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.exceptions import MissingBucket
from moto.s3.models import FakeDeleteMarker, S3Backend, s3_backends


@dataclass(frozen=True)
class ObjectInfo:
    """An S3 object: its bucket and key, its entity tag and its size in bytes."""

    bucket: str
    key: str
    etag: str
    size: int


def _backend() -> S3Backend:
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]


def bucket_exists(bucket: str) -> bool:
    """Say whether there is such a bucket."""
    try:
        _backend().get_bucket(bucket)
    except MissingBucket:
        return False
    return True


def exists(bucket: str, key: str) -> bool:
    """Say whether there is such an object."""
    return bucket_exists(bucket) and _backend().get_object(bucket, key) is not None


def list_objects(bucket: str, prefix: str) -> list[ObjectInfo]:
    """List the objects whose keys begin with ``prefix``, by key. A bucket that does not exist has none."""
    if not bucket_exists(bucket):
        return []
    store = _backend().get_bucket(bucket).keys
    # A copy of the keys first: uploads go on in other threads, and change the dictionary.
    found = ((key, store.get(key)) for key in list(store) if key.startswith(prefix))
    return sorted(
        (
            ObjectInfo(bucket, key, item.etag.strip('"'), item.size)
            for key, item in found
            if item is not None and not isinstance(item, FakeDeleteMarker)
        ),
        key=lambda item: item.key,
    )


def read(bucket: str, key: str) -> bytes | None:
    """Return an object's bytes, or None if there is no such object."""
    if not bucket_exists(bucket):
        return None
    item = _backend().get_object(bucket, key)
    return None if item is None else bytes(item.value)


def write(bucket: str, key: str, content: bytes) -> None:
    """Put an object."""
    _backend().put_object(bucket, key, content)


def split_url(url: str) -> tuple[str, str]:
    """Split ``s3://bucket/some/key`` into bucket and key. Raises ValueError for any other URL."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ValueError(f"{url!r} is not an S3 URL")
    return bucket, key
