"""Bitget's checksum, after the two examples of its documentation (Depth Channel, Calculate Checksum)."""

from zlib import crc32

from booktape.exchanges.bitget.frames import checksum
from booktape.model.book import Book


def signed(text: str) -> int:
    return int.from_bytes(crc32(text.encode()).to_bytes(4, "big"), "big", signed=True)


def test_bids_and_asks_take_turns() -> None:
    book = Book([("43231.1", "4"), ("43231", "6")], [("43232.8", "9"), ("43232.9", "8")])
    assert checksum(book) == signed("43231.1:4:43232.8:9:43231:6:43232.9:8")


def test_levels_that_a_side_lacks_are_left_out() -> None:
    book = Book([("3366.1", "7")], [("3366.8", "9"), ("3368", "8"), ("3372", "8")])
    assert checksum(book) == signed("3366.1:7:3366.8:9:3368:8:3372:8")
