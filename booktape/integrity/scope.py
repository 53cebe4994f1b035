"""What an audit covers, and the venue's promises that it relies on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from booktape.model.book import Book
from booktape.model.resets import Reset


@dataclass(frozen=True, slots=True)
class AuditScope:
    """One market's day of one published data type, and how the venue lets loss be seen.

    :param rule: the sequence rule that the venue's channel declares.
    :param day: the day's times (µs).
    :param checksum: computes the checksum of the venue's books; None where it sends none.
    :param depth: how many levels of each side that checksum covers.
    :param has_updates: the book comes as updates, not as whole books only.
    :param resets: the venue's sequence resets within the day.
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
    resets: tuple[Reset, ...] = ()
