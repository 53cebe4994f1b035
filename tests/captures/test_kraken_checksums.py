"""Kraken's checksum against a real recording.

There is no public recording of Kraken's WebSocket v2. Its v1 has the same algorithm over the same digits, so the test
takes v1's levels to the book by itself and holds the v2 code against v1's 14,496 checksums.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from booktape.exchanges.kraken.spot_frames import checksum
from booktape.model.book import Book
from tests.captures import reading


def levels(message: dict[str, Any], key: str) -> list[tuple[str, str]]:
    return [(level[0], level[1]) for level in message.get(key, [])]


def test_every_checksum_of_the_recording_is_right(capture: Callable[[str], Path]) -> None:
    books: dict[str, Book] = {}
    checked = wrong = 0
    for line in reading.lines(capture("kraken/cryptofeed_20210405_v1_book.jsonl.gz")):
        frame = json.loads(line["data"])
        if not isinstance(frame, list):
            continue
        parts, pair = frame[1:-2], frame[-1]
        if "as" in parts[0]:
            books[pair] = Book(levels(parts[0], "bs"), levels(parts[0], "as"))
            continue
        book = books[pair]
        for part in parts:
            book.apply(levels(part, "b"), levels(part, "a"))
        book.truncate(1000)
        checked += 1
        wrong += checksum(book) != int(parts[-1]["c"])
    assert (checked, wrong) == (14_496, 0)


def test_the_example_of_the_documentation() -> None:
    """Kraken API Center, "Book checksum (WebSocket v2)": the example's books and its checksum 3310070434."""
    asks = [
        ("45285.2", "0.00100000"), ("45286.4", "1.54571953"), ("45286.6", "1.54571109"), ("45289.6", "1.54560911"),
        ("45290.2", "0.15890660"), ("45291.8", "1.54553491"), ("45294.7", "0.04454749"), ("45296.1", "0.35380000"),
        ("45297.5", "0.09945542"), ("45299.5", "0.18772827"),
    ]  # fmt: skip
    bids = [
        ("45283.5", "0.10000000"), ("45283.4", "1.54582015"), ("45282.1", "0.10000000"), ("45281.0", "0.10000000"),
        ("45280.3", "1.54592586"), ("45279.0", "0.07990000"), ("45277.6", "0.03310103"), ("45277.5", "0.30000000"),
        ("45277.3", "1.54602737"), ("45276.6", "0.15445238"),
    ]  # fmt: skip
    assert checksum(Book(bids, asks)) == 3310070434
