"""The form of a certificate: which fields it has, and of which kinds. What they say is not looked at."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

_Count = Annotated[int, Meta(ge=0)]
_Share = Annotated[str, Meta(pattern=r"^[01]\.[0-9]{6}$")]
_Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
_Ranges = list[tuple[int, int]]


class _Form(Struct, frozen=True, forbid_unknown_fields=True):
    """Every field is there, and no other one."""


class _File(_Form, frozen=True):
    rows: _Count
    bytes: _Count
    sha256: _Hash


class _MadeBy(_Form, frozen=True):
    booktape: str
    sql_sha256: _Hash


class _Totals(_Form, frozen=True):
    markets: _Count
    rows: _Count
    expected: _Count | None
    seen: _Count | None
    missing: _Count | None
    share_present: _Share | None
    void: _Count
    healed_by_replica: _Count
    healed_by_rest: _Count
    disagree: _Count


class _Loss(_Form, frozen=True):
    first: int | None
    last: int | None
    expected: _Count
    seen: _Count
    missing: _Count
    ranges: _Ranges
    links: _Ranges
    resumed: _Ranges
    elsewhere: _Ranges


class _Era(_Loss, frozen=True):
    begins: int | None = field(name="from")


class _Numbers(_Loss, frozen=True):
    eras: list[_Era]
    unnumbered: _Count


class _Edge(_Form, frozen=True):
    missing: _Count
    ranges: _Ranges
    links: _Ranges


class _Edges(_Form, frozen=True):
    start: _Edge | Literal["unknown"]
    end: _Edge | Literal["unknown"]


class _Void(_Form, frozen=True):
    count: _Count
    ranges: _Ranges


class _Healed(_Form, frozen=True):
    replica: _Count
    rest: _Count


class _Agreement(_Form, frozen=True):
    both: _Count
    primary_only: _Count
    replica_only: _Count
    disagree: _Count
    disagreeing: list[int | str]
    untold: _Count


class _Downtime(_Form, frozen=True):
    down: _Ranges
    down_microseconds: _Count
    unknown: _Ranges
    unknown_microseconds: _Count
    silent: _Ranges
    silent_microseconds: _Count
    clock: Literal["exchange", "collectors"] | None
    breaks: _Count


class _Mismatch(_Form, frozen=True):
    id: int | None
    time: int


class _Book(_Form, frozen=True):
    crossed: _Count
    snapshots: _Count
    snapshots_compared: _Count
    snapshots_differing: _Count
    first_mismatch: _Mismatch | None
    checksums_checked: _Count
    checksums_failed: _Count
    checksums_unchecked: _Count


class _Market(_Form, frozen=True):
    rows: _Count
    records: _Count
    sha256: _Hash
    first_id: int | str | None
    last_id: int | str | None
    unverifiable: str | None
    share_verified: _Share | None
    share_present: _Share | None
    numbers: _Numbers | None
    edges: _Edges
    void: _Void
    healed: _Healed
    agreement: _Agreement | None
    downtime: _Downtime
    book: _Book | None


class _Certificate(_Form, frozen=True):
    format: Literal[1]
    source: str
    exchange: str
    data_type: str
    day: str
    rule: str
    unverifiable: str | None
    systems: list[str]
    file: _File
    made_by: _MadeBy
    totals: _Totals
    markets: dict[str, _Market]


def schema_fault(plain: Any) -> str | None:
    """In what something is not of a certificate's form; None where it is."""
    try:
        msgspec.convert(plain, _Certificate)
    except msgspec.ValidationError as error:
        return str(error)
    return None
