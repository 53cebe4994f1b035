"""A batch: the records that become one object."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Batch:
    """A contiguous run of one stream's records within one minute. ``lines`` is newline-delimited JSON."""

    data_type: str
    market: str
    minute: int
    first: int
    last: int
    count: int
    lines: bytes | bytearray
