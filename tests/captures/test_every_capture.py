"""Every capture that speaks a supported protocol, held against what is known of it.

``expected/*.json`` repeats the ground truth that the captures' README states: how many frames and records, how many
books that begin with a snapshot and never cross, how many checksums, and how often a lost book message shows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Final, Literal

import pytest
from msgspec import json

from booktape.capture.ingest import read_capture
from booktape.capture.pipeline import Pipeline
from booktape.exchanges import exchange
from booktape.exchanges.spec import Exchange, FrameNumber, Message, Output, SubscriptionRefusedError, UnknownFrameError
from booktape.model.batch import Batch
from booktape.model.book import Book
from booktape.model.gap import Gap
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, BookSnapshot, BookUpdate, levels
from booktape.store.raw_frames import RawLine

TRIES: Final = 12
AT_LEAST: Final = {"always": TRIES, "mostly": TRIES // 2, "half": 1, "never": 0}


@dataclass(frozen=True)
class Expected:
    """What is known of one capture.

    ``shows_loss``: how often the removal of a book message from its middle is seen. ``one_recording``: whether its
    frames followed each other; single samples neither replay nor continue.
    """

    file: str
    exchange: str
    frames: int
    records: dict[str, int]
    books: int
    shows_loss: Literal["always", "mostly", "half", "never"]
    stale: int = 0
    checksums: int = 0
    refused: int = 0
    one_recording: bool = True
    note: str = ""


EXPECTED = {
    path.stem: json.decode(path.read_bytes(), type=Expected)
    for path in sorted((Path(__file__).parent / "expected").glob("*.json"))
}
every_capture = pytest.mark.parametrize("name", EXPECTED)
Frames = list[tuple[RawLine, bytes]]


@cache
def frames_of(path: Path) -> Frames:
    return [(line, frame) for line, frame in read_capture(path) if line.dir == "in"]


@dataclass(frozen=True)
class Taken:
    """What became of frames: the recorder that had them, and the gaps it saw."""

    recorder: Pipeline
    gaps: list[Gap]

    @property
    def shows_a_loss(self) -> bool:
        return bool(self.gaps or self.recorder.unknown_frames or self.recorder.checksums()[1])


def taken(venue: Exchange, frames: Frames) -> Taken:
    batches: list[Batch] = []
    gaps: list[Gap] = []
    recorder = Pipeline(venue, batches.append, gaps.append)
    connection = recorder.new_feed()
    received = 0
    for line, frame in frames:
        received = max((line.t or 0) // 1_000, received + 1)
        if line.kind == "http":
            connection.feed_rest(line.url, frame, received, None)
        else:
            connection.feed(frame, received)
    recorder.close()
    return Taken(recorder, gaps)


def messages(venue: Exchange, frames: Frames) -> Iterator[Sequence[Output]]:
    """The records and signals of each frame, straight out of the parser."""
    parse = venue.parser()
    for line, frame in frames:
        try:
            if line.kind == "http":
                yield venue.parse_rest(line.url, frame, 1, None)
            else:
                yield parse(frame, 1)
        except (UnknownFrameError, SubscriptionRefusedError):
            yield ()


def records(outputs: Sequence[Output]) -> Iterator[Message]:
    return (output for output in outputs if isinstance(output, tuple))


class Replay:
    """One market's book, replayed. A book over REST is joined by the updates before it that are newer than it."""

    def __init__(self) -> None:
        self.book: Book | None = None
        self.crossed = 0
        self._last_id: int | None = None
        self._before: list[BookUpdate] = []

    def take(self, record: BookUpdate | BookSnapshot) -> None:
        if isinstance(record, BookUpdate):
            self._before.append(record)
            self._apply(record)
        elif self.book is None or record.origin == "stream":
            self.book = Book(levels(record.bids), levels(record.asks))
            self._last_id = record.last_id
            for update in self._before if record.origin == "rest" else []:
                self._apply(update)
        self.crossed += self.book is not None and self.book.is_crossed()

    def _apply(self, update: BookUpdate) -> None:
        old = self._last_id is not None and update.last_id is not None and update.last_id <= self._last_id
        if self.book is not None and not old:
            self.book.apply(levels(update.bids), levels(update.asks))


def replayed(venue: Exchange, frames: Frames) -> dict[str, Replay]:
    """Every market's book, by symbol."""
    books: dict[str, Replay] = {}
    for found in messages(venue, frames):
        for data_type, symbol, _, record in records(found):
            if data_type in (BOOK_UPDATES, BOOK_SNAPSHOTS):
                assert isinstance(record, BookUpdate | BookSnapshot)
                books.setdefault(symbol, Replay()).take(record)
    return books


def removable(venue: Exchange, frames: Frames) -> list[int]:
    """The frames with an update of a book that are neither the first nor the last two of their market."""
    places: dict[str, list[int]] = {}
    counted = False
    for number, found in enumerate(messages(venue, frames)):
        counted = counted or any(isinstance(output, FrameNumber) for output in found)
        for data_type, symbol, _, _ in records(found):
            if data_type == BOOK_UPDATES:
                places.setdefault(symbol, []).append(number)
    return sorted({number for numbers in places.values() for number in numbers[2:-2]})


@every_capture
def test_every_frame_is_understood_and_no_rule_sees_a_gap(name: str, capture: Callable[[str], Path]) -> None:
    expected = EXPECTED[name]
    result = taken(exchange(expected.exchange), frames_of(capture(expected.file)))
    recorder = result.recorder
    assert (dict(recorder.unknown_frames), recorder.refused.total()) == ({}, expected.refused)
    assert recorder.frames == expected.frames
    assert {kind: sum(markets.values()) for kind, markets in recorder.records().items()} == expected.records
    assert (recorder.duplicates(), recorder.checksums()) == (expected.stale, (expected.checksums, 0))
    assert [gap for gap in result.gaps if gap.shows_loss] == []


@every_capture
def test_every_book_that_begins_with_a_snapshot_never_crosses(name: str, capture: Callable[[str], Path]) -> None:
    expected = EXPECTED[name]
    if not expected.one_recording:
        return
    books = replayed(exchange(expected.exchange), frames_of(capture(expected.file)))
    whole = {symbol: replay for symbol, replay in books.items() if replay.book is not None}
    assert len(whole) == expected.books
    assert {symbol: replay.crossed for symbol, replay in whole.items() if replay.crossed} == {}


@every_capture
def test_a_lost_book_message_shows_as_often_as_the_protocol_can_show_it(
    name: str, capture: Callable[[str], Path]
) -> None:
    expected = EXPECTED[name]
    venue, frames = exchange(expected.exchange), frames_of(capture(expected.file))
    if not expected.one_recording:
        return
    places = removable(venue, frames)
    if not places:
        assert expected.shows_loss == "never"
        return
    random = Random(name)
    seen = 0
    for _ in range(TRIES if expected.shows_loss != "never" else 1):
        lost = random.choice(places)
        # A stretch around the loss is enough, and keeps the test short; a book must have begun before it.
        first = 0 if expected.checksums or expected.shows_loss == "half" else max(0, lost - 2_000)
        seen += taken(venue, frames[first:lost] + frames[lost + 1 : lost + 2_000]).shows_a_loss
    assert seen >= AT_LEAST[expected.shows_loss]
    if expected.shows_loss == "never":
        assert seen == 0
