"""Local copies of S3 objects for DuckDB to read: one plain JSON-lines file for each version of an object."""

import gzip
import hashlib
import re
import zlib
from pathlib import Path

from sandbox.aws import objects
from sandbox.aws.athena.store import QueryFailedError
from sandbox.aws.objects import ObjectInfo

# A JSON string, or a number whose text a double would not give back: with a fraction, an exponent, or very long.
_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+|(?<=\d{19}))')
_PERHAPS_NUMBER = re.compile(rb"[:\[,]\s*-?\d+(?:[.eE]|(?<=\d{19}))")


def local_copy(directory: Path, item: ObjectInfo) -> Path:
    """Return the file with an object's lines, fetching it first if this version of it is not there yet.

    Raises QueryFailed if the object cannot be decompressed.
    """
    name = hashlib.sha256(f"{item.bucket}/{item.key}/{item.etag}".encode()).hexdigest()
    path = directory / f"{name}.json"
    if not path.exists():
        lines = _keep_number_text(_decompress(item, objects.read(item.bucket, item.key) or b""))
        # Written aside and renamed, so that a query in another thread never reads half a file.
        partial = path.with_suffix(f".{id(lines)}")
        partial.write_bytes(lines)
        partial.rename(path)
    return path


def _decompress(item: ObjectInfo, content: bytes) -> bytes:
    if not item.key.endswith(".gz"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise QueryFailedError(f"HIVE_CURSOR_ERROR: s3://{item.bucket}/{item.key}: {error}", error_type=1001) from error


def _keep_number_text(lines: bytes) -> bytes:
    """Quote the numbers that DuckDB would read as doubles: a string column must show ``0.10`` as ``0.10``.

    DuckDB casts the quoted text back where the column is a number. Most objects hold no such number at all.
    """
    if not _PERHAPS_NUMBER.search(lines):
        return lines
    return _STRING_OR_NUMBER.sub(lambda match: match[0] if match[0][:1] == b'"' else b'"%b"' % match[0], lines)
