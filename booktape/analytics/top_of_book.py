"""The top of one market's book over time: snapshots of its best levels, and its best bid and ask."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from booktape.analytics.book_sampler import BookMessage, BookStream, Sampled, at_changes, at_instants
from booktape.analytics.time_grid import microseconds
from booktape.model.book import Book
from booktape.model.book_replay import ChecksumRule
from booktape.model.errors import InvalidInputError
from booktape.model.gap import Gap
from booktape.model.records import Level

_Top = tuple[tuple[Level, ...], tuple[Level, ...]]


class InvalidDepthError(InvalidInputError):
    """A number of levels that no snapshot can have."""


class TopRow(NamedTuple):
    """A book's best levels, best first, as the venue's text; a side may have fewer. Times in µs, UTC.

    ``timestamp`` is the instant that it is told for, or the time of the message that made it so;
    ``local_timestamp`` is the receipt of the last message in it.
    """

    timestamp: int
    local_timestamp: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class QuoteRow(NamedTuple):
    """The best bid and ask, as the venue's text, in the order of Tardis's columns; None where a side is empty."""

    timestamp: int
    local_timestamp: int
    ask_amount: str | None
    ask_price: str | None
    bid_price: str | None
    bid_amount: str | None


QUOTE_COLUMNS: Final = ("exchange", "symbol", *QuoteRow._fields)


def book_snapshots(
    messages: Iterable[BookMessage | Gap],
    rule: str,
    depth: int,
    every: float | str | Decimal | timedelta | None = None,
    *,
    start: int | None = None,
    end: int | None = None,
    checksum: ChecksumRule | None = None,
) -> Iterator[TopRow | Gap]:
    """A book's best ``depth`` levels at each multiple of ``every`` (seconds or a timedelta) since the epoch, UTC.

    Each row holds all messages up to its time. They begin at ``start`` (µs), or with the first message, and go up to
    ``end``, not included, or the last message. Without ``every`` there is a row whenever these levels changed.
    Where the book is not sound nothing is told, from a gap until the next snapshot; a Gap stands there.

    :param messages: in the published order, with their times.
    :param rule: the name of the book channel's rule (:mod:`booktape.model.sequence`).
    :param checksum: how the venue's checksum is computed, if it has one.
    """
    if depth < 1:
        raise InvalidDepthError(f"snapshots of {depth} levels cannot be; expected 1 or more")

    def top(book: Book) -> _Top:
        return tuple(book.bids.top(depth)), tuple(book.asks.top(depth))

    stream = BookStream(messages, rule, checksum)
    seen = at_changes(stream, top) if every is None else at_instants(stream, top, microseconds(every), start, end)
    for one in seen:
        yield TopRow(one.time, one.local_timestamp, *one.what) if isinstance(one, Sampled) else one


def quotes(
    messages: Iterable[BookMessage | Gap], rule: str, *, checksum: ChecksumRule | None = None
) -> Iterator[QuoteRow | Gap]:
    """The best bid and ask whenever one of them changed. Parameters and gaps as in :func:`book_snapshots`."""
    for row in book_snapshots(messages, rule, 1, checksum=checksum):
        if isinstance(row, TopRow):
            bid_price, bid_amount = row.bids[0] if row.bids else (None, None)
            ask_price, ask_amount = row.asks[0] if row.asks else (None, None)
            yield QuoteRow(row.timestamp, row.local_timestamp, ask_amount, ask_price, bid_price, bid_amount)
        else:
            yield row


def top_columns(depth: int) -> tuple[str, ...]:
    """The columns of Tardis's ``book_snapshot_5`` and ``_25``, for any depth."""
    names = (
        f"{side}[{number}].{field}"
        for number in range(depth)
        for side in ("asks", "bids")
        for field in ("price", "amount")
    )
    return ("exchange", "symbol", "timestamp", "local_timestamp", *names)


def top_values(exchange: str, symbol: str, row: TopRow, depth: int) -> tuple[str | int | None, ...]:
    """A row's values in the order of :func:`top_columns`; None where the book has fewer levels."""
    values: list[str | int | None] = [exchange, symbol, row.timestamp, row.local_timestamp]
    for number in range(depth):
        for side in (row.asks, row.bids):
            values += side[number] if number < len(side) else (None, None)
    return tuple(values)
