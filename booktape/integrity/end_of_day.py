"""The book at a day's end, kept as the first snapshot of the next day, so that any day can be read alone."""

from datetime import UTC, datetime

from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import BOOK_SNAPSHOTS, SECOND, BookSnapshot, first_position
from booktape.store.layout import InvalidKeyError, batch_key, day_prefix, parse_batch_key
from booktape.store.objects import Store


def packed(book: BookSnapshot) -> bytes:
    """A book as the lines of an object, for those that must wait for the judgement of their day."""
    return codec.encode_records([book])


def store_snapshot(exchange: str, market: str, lines: bytes, store: Store) -> str | None:
    """Store a derived snapshot in the day that it begins; returns its key, or None where that day has one already.

    Two of them would be one message to a reader, since both stand at midnight.
    """
    (book,) = codec.decode_records(BOOK_SNAPSHOTS, codec.compress(lines))
    assert isinstance(book, BookSnapshot)
    assert book.timestamp is not None, "a derived snapshot stands at midnight"
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
        if key.minute == midnight and any(_is_derived(record) for record in _records(store, item.key)):
            return True
    return False


def _records(store: Store, key: str) -> list[object]:
    return list(codec.decode_records(BOOK_SNAPSHOTS, store.read(key)))


def _is_derived(record: object) -> bool:
    return isinstance(record, BookSnapshot) and record.origin == "derived"
