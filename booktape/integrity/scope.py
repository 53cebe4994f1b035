"""What is to be proven, and by which of a venue's promises."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from booktape.model.book import Book
from booktape.model.resets import Reset


@dataclass(frozen=True, slots=True)
class AuditScope:
    """What is to be proven: one market of one exchange, and how the venue lets loss be seen.

    ``data_type`` is the published one. ``day`` in µs. ``checksum`` and ``depth`` are the venue's for its books.
    ``has_updates``: the book comes as updates, not as whole books only. ``restarts``: where its numbers began anew.
    """

    exchange: str
    market: str
    data_type: str
    rule: str
    date: date
    day: range
    checksum: Callable[[Book], int] | None = None
    depth: int | None = None
    has_updates: bool = True
    restarts: tuple[Reset, ...] = ()
