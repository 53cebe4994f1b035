"""Published book rows, replayed as a user would, give the very book that the venue had."""

from datetime import date
from random import Random

import pytest

from booktape.merge import Merge
from booktape.model.book import Book
from tests.merge.binance import Collector, Depth, Event
from tests.merge.replaying import Sides, replay
from tests.merge.systems import Systems, at

DAY = date(2024, 8, 8)
START = at(DAY) // 1_000 + 50_000  # ms
COUNT = 400


class Venue:
    """A book of forty prices a side in which every update sets one level on each side, now and then to nothing."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)
        self.updates = [
            Depth(
                number, number, START + number * 250, [(_price(random, 100), amount)], [(_price(random, 200), amount)]
            )
            for number in range(1, COUNT + 1)
            for amount in [random.choice(["0.000", f"{random.randrange(1, 99)}.5"])]
        ]

    def windows(self, random: Random) -> list[Depth]:
        """The same updates in windows of one to five, which each connection cuts in its own way."""
        windows, start = [], 0
        while start < COUNT:
            part = self.updates[start : start + random.randrange(1, 6)]
            bids, asks = (dict(level for event in part for level in getattr(event, side)) for side in ("bids", "asks"))
            windows.append(Depth(part[0].first, part[-1].last, part[-1].time, [*bids.items()], [*asks.items()]))
            start += len(part)
        return windows

    def book(self, last: int) -> Book:
        """The book after so many updates."""
        book = Book()
        for event in self.updates[:last]:
            book.apply(event.bids, event.asks)
        return book

    def sides(self) -> Sides:
        """The book at the end."""
        book = self.book(COUNT)
        return Sides(dict(book.bids.top()), dict(book.asks.top()))


def _price(random: Random, base: int) -> str:
    return f"{base + random.randrange(40)}.00"


def record(collector: Collector, windows: list[Depth], received: int = START * 1_000) -> None:
    frames: list[tuple[int, Event]] = [(0, window) for window in windows]
    collector.record(frames, received)


def published(systems: Systems) -> str:
    merge = Merge("binance", "book_updates", DAY)
    text = systems.merge_text(merge)
    assert text == systems.reference_text(merge)
    return text


@pytest.mark.parametrize("seed", range(5))
def test_overlapping_windows_of_two_systems_that_each_missed_some(systems: Systems, seed: int) -> None:
    random, venue = Random(seed), Venue(seed)
    primary, replica = venue.windows(random), venue.windows(random)
    Collector(systems.primary).record_snapshot(0, Book(), START * 1_000 - 5)
    record(Collector(systems.primary), primary[:60] + primary[90:])
    record(Collector(systems.replica, shift=2), replica[:30] + replica[50:], received=START * 1_000 - 4_321)
    assert replay(published(systems)) == {"BTC-USDT": venue.sides()}


@pytest.mark.parametrize("seed", range(5))
def test_a_rest_snapshot_in_the_middle_resets_to_what_is_already_there(systems: Systems, seed: int) -> None:
    random, venue = Random(seed), Venue(seed)
    windows = venue.windows(random)
    record(Collector(systems.primary), windows)
    record(Collector(systems.replica), venue.windows(random))
    Collector(systems.primary).record_snapshot(0, Book(), START * 1_000 - 5)
    for last in (windows[40].last, windows[70].last + 1):
        answered = (START + last * 250 + 130) * 1_000
        Collector(systems.primary).record_snapshot(last, venue.book(last), answered)
    assert replay(published(systems)) == {"BTC-USDT": venue.sides()}


def test_a_rest_snapshot_heals_what_both_systems_missed(systems: Systems) -> None:
    random, venue = Random(1), Venue(1)
    windows = venue.windows(random)
    kept = windows[:-25] + windows[-10:]
    record(Collector(systems.primary), kept)
    record(Collector(systems.replica), kept)
    assert replay(published(systems)) != {"BTC-USDT": venue.sides()}
    last = windows[-5].last
    Collector(systems.replica).record_snapshot(last, venue.book(last), (START + last * 250) * 1_000)
    assert replay(published(systems)) == {"BTC-USDT": venue.sides()}
