"""The book at a day's end, kept as the first snapshot of the next day, so that any day can be read alone."""

from booktape.core import codec
from booktape.core.records import BOOK_SNAPSHOTS, BookSnapshot, first_position
from booktape.core.streams import Batch, key_of
from booktape.storage import Store


def keep(exchange: str, market: str, book: BookSnapshot, store: Store) -> str:
    """Store a derived snapshot create-only in the day that it begins; returns its key. Twice writes nothing new."""
    assert book.timestamp is not None, "a derived snapshot stands at midnight"
    place = first_position(book)
    batch = Batch(BOOK_SNAPSHOTS, market, book.timestamp, place, place, 1, codec.encode([book]))
    key = str(key_of(batch, exchange))
    store.create(key, codec.compress(batch.lines))
    return key
