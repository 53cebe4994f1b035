"""Records to bytes and back: one JSON object a line, gzipped, with the same bytes for the same records everywhere.

Compression is libdeflate at level 1 (fast, and the same bytes on every CPU). A digest never runs over the gzip file,
because no compressor promises the same output across its own versions: it runs over the *identity* text, which is each
line up to its observation fields (see :mod:`booktape.model.records`).
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final

import deflate
from msgspec import DecodeError, ValidationError, json

from booktape.model.errors import DataError
from booktape.model.records import RECORD_TYPES, Record

LEVEL: Final = 1
DIGEST_LENGTH: Final = 16
_PART: Final = 64 * 1024

_encoder = json.Encoder()
encode_into = _encoder.encode_into
_decoders = {data_type: json.Decoder(kind) for data_type, kind in RECORD_TYPES.items()}
_observations = re.compile(rb',"local_timestamp":.*')


class CorruptObjectError(DataError, ValueError):
    """A stored object does not hold what its name and format say."""


def encode_records(records: Iterable[Record]) -> bytes:
    """Records as newline-delimited JSON, in the given order."""
    return _encoder.encode_lines(list(records))


def digest(lines: bytes | bytearray) -> str:
    """Sixteen hex digits over the identity fields of newline-delimited records."""
    hasher = sha256()
    for part in _parts(lines):
        hasher.update(_observations.sub(b"", part))
    return hasher.hexdigest()[:DIGEST_LENGTH]


def _parts(lines: bytes | bytearray) -> Iterator[bytes | bytearray]:
    """Whole lines in pieces that fit the processor's cache: on a large batch, page faults would cost the most."""
    start, size = 0, len(lines)
    while start < size:
        end = lines.find(b"\n", start + _PART) + 1 or size
        yield lines[start:end]
        start = end


def compress(lines: bytes | bytearray) -> bytes:
    """Newline-delimited records as a gzip file (mtime 0, no name)."""
    return bytes(deflate.gzip_compress(lines, LEVEL))


def decompress(content: bytes) -> bytes:
    """The text inside a gzip file. Raises :class:`CorruptObjectError` on a wrong checksum or a truncated file."""
    try:
        stream = zlib.decompressobj(wbits=31)
        text = stream.decompress(content) + stream.flush()
    except zlib.error as error:
        raise CorruptObjectError(f"not a sound gzip file: {error}") from error
    if not stream.eof:
        raise CorruptObjectError("the gzip file is truncated")
    return text


def decode_records(data_type: str, content: bytes) -> list[Record]:
    """The records of one stored object. Raises :class:`CorruptObjectError` where a line is not such a record."""
    try:
        return _decoders[data_type].decode_lines(decompress(content))
    except (DecodeError, ValidationError) as error:
        raise CorruptObjectError(f"not {data_type} records: {error}") from error
