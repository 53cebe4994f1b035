"""Stores the book at the end of a day as the first snapshot of the next day, so that any day can be read alone."""

from datetime import UTC, datetime

from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import BOOK_SNAPSHOTS, SECOND, BookSnapshot, first_position
from booktape.store.layout import InvalidKeyError, batch_key, day_prefix, parse_batch_key
from booktape.store.objects import Store


def store_end_of_day_snapshot(exchange: str, market: str, lines: bytes, store: Store) -> str | None:
    """Store a derived snapshot in the day that it begins. Returns its key; None if that day has one already.

    A reader would take two of them for one message, because both have the time of midnight.

    :param lines: the snapshot, as the lines of a stored object.
    """
    (book,) = codec.decode_records(BOOK_SNAPSHOTS, codec.compress(lines))
    assert isinstance(book, BookSnapshot)
    assert book.timestamp is not None, "a derived snapshot has the time of midnight"
    if _has_one(exchange, market, book.timestamp, store):
        return None
    place = first_position(book)
    key = str(batch_key(Batch(BOOK_SNAPSHOTS, market, book.timestamp, place, place, 1, lines), exchange))
    store.create(key, codec.compress(lines))
    return key


def _has_one(exchange: str, market: str, midnight: int, store: Store) -> bool:
    day = datetime.fromtimestamp(midnight // SECOND, UTC).date()
    for item in store.objects(day_prefix(BOOK_SNAPSHOTS, exchange, market, day)):
        try:
            key = parse_batch_key(item.key)
        except InvalidKeyError:
            continue
        if key.minute == midnight:
            records = codec.decode_records(BOOK_SNAPSHOTS, store.read(item.key))
            if any(isinstance(record, BookSnapshot) and record.origin == "derived" for record in records):
                return True
    return False
