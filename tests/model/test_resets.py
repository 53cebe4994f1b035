"""Where a venue has begun a market's numbers anew: told by keys, made sure of by the records' own times."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from booktape.model.records import MINUTE, SECOND, BookSnapshot, BookUpdate, Record, Trade
from booktape.model.resets import ObjectSpan, ObjectTimes, Reset, by_epoch, certainly_later, epoch, find_resets

NOON = 1723204800 * SECOND


class Market:
    """One market's objects, by their first and last records' numbers and times (s after noon); counts what is read."""

    def __init__(self, *, exact: bool = True) -> None:
        self.times: dict[ObjectSpan, ObjectTimes] = {}
        self.read: list[tuple[int, int]] = []
        self._exact = exact

    def put(self, first: int, last: int, begin: float, end: float, minute: int | None = None) -> ObjectSpan:
        """``minute`` after noon: that of the key, where it is not the first record's."""
        start = NOON + int(begin * SECOND)
        key_minute = start // MINUTE * MINUTE if minute is None else NOON + minute * MINUTE
        span = ObjectSpan(key_minute, first, last, str(len(self.times)))
        self.times[span] = ObjectTimes(start, NOON + int(end * SECOND), self._exact)
        return span

    def find(self) -> list[Reset]:
        """The restarts, in µs after noon."""

        def read(span: ObjectSpan) -> ObjectTimes:
            self.read.append((span.first, span.last))
            return self.times[span]

        return [Reset(low - NOON, high - NOON, number) for low, high, number in find_resets(self.times, read)]


def test_a_day_of_rising_numbers_is_not_read_at_all() -> None:
    market = Market()
    for minute in range(5):
        for late in (0, 1):  # two systems
            market.put(100 * minute + late, 100 * minute + 99, 60 * minute, 60 * minute + 59)
    assert (market.find(), market.read) == ([], [])


def test_a_batch_that_begins_anew_or_was_healed_is_no_restart() -> None:
    market = Market()
    market.put(1, 50, 0, 30)
    market.put(53, 99, 32, 59)
    market.put(51, 52, 31, 31)
    market.put(100, 199, 60, 119)
    assert (market.find(), market.read) == ([], [])


def test_engines_times_place_a_restart_in_the_middle_of_the_silence() -> None:
    market = Market()
    market.put(9_000, 9_099, 0, 59)
    market.put(9_100, 9_109, 60, 62)
    market.put(9_100, 9_109, 60, 62)
    market.put(3, 99, 66, 119)
    market.put(1, 99, 65, 119)
    market.put(100, 199, 120, 179)
    instant = 63_500_000
    assert market.find() == [Reset(instant, instant, 0)]


def test_numbers_may_reach_into_those_of_before() -> None:
    market = Market()
    market.put(1, 100, 0, 50)
    market.put(40, 300, 180, 230)
    assert market.find() == [Reset(115_000_000, 115_000_000, 0)]


def test_a_venue_may_begin_anew_twice() -> None:
    market = Market()
    for begin, first in ((0, 900), (200, 500), (400, 1)):
        market.put(first, first + 9, begin, begin + 10)
        market.put(first + 10, first + 19, begin + 60, begin + 70)
    assert [restart.low for restart in market.find()] == [135_000_000, 335_000_000]


def test_by_a_connections_clock_a_minute_must_lie_between_and_the_number_tells_what_came_in_it() -> None:
    """A collector that was started after the restart records at once what the others take for old."""
    market = Market(exact=False)
    market.put(9_000, 9_099, 0, 59)
    market.put(9_100, 9_109, 60, 70)
    fresh = market.put(1, 50, 75, 119)
    market.put(51, 150, 120, 179)
    market.put(100, 150, 135, 179)
    assert market.find() == [Reset(10_000_000, 135_000_000, 4_575)]
    eras = list(by_epoch(market.times, market.times.__getitem__))
    assert [len(spans) for spans in eras] == [2, 3]
    assert fresh in eras[1]


def test_within_that_minute_nothing_is_believed() -> None:
    market = Market(exact=False)
    market.put(9_000, 9_109, 0, 59)
    market.put(1, 50, 75, 115)
    assert market.find() == []


def test_a_trade_that_the_engine_made_out_of_order_at_the_turn_of_a_minute_is_no_restart() -> None:
    market = Market()
    market.put(101, 101, 59.9, 59.9)
    market.put(90, 100, 60.1, 60.2)
    assert market.find() == []


def test_what_was_last_may_be_repeated_to_a_new_subscriber() -> None:
    """Quotes without any time: the one of now was made long ago, and is received again."""
    market = Market(exact=False)
    market.put(400, 500, 0, 59)
    market.put(500, 540, 300, 350)
    market.put(501, 540, 301, 350)
    assert (market.find(), market.read) == ([], [])


def test_what_was_made_before_a_restart_may_be_repeated_after_it() -> None:
    """A venue sends its last trades to a new subscriber; his batch lies in the minute in which he got them."""
    market = Market()
    market.put(9_000, 9_050, 0, 50)
    market.put(1, 20, 120, 150)
    repeated = market.put(9_000, 9_050, 0, 50, minute=3)
    market.put(21, 25, 180, 190)
    market.put(26, 30, 240, 250)
    assert market.find() == [Reset(85_000_000, 85_000_000, 0)]
    before, _ = by_epoch(market.times, market.times.__getitem__)
    assert repeated in before


def test_keys_and_records_that_contradict_each_other_tell_no_restart() -> None:
    """A collector whose clock is an hour fast, while the exchange told the minutes of its batches."""
    market = Market(exact=False)
    market.put(100, 110, 3_600, 3_650, minute=0)
    market.put(105, 109, 4_200, 4_250, minute=10)
    assert market.find() == []


def test_the_era_of_a_record_is_told_by_its_time_and_in_between_by_its_number() -> None:
    restarts = [Reset(NOON - 10, NOON + 10, 500), Reset(NOON + 99, NOON + 99, 0)]
    assert [epoch(restarts, update(number, offset)) for number, offset in ((400, -11), (500, 9), (499, -10))] == [
        0,
        0,
        1,
    ]
    assert [epoch(restarts, update(number, offset)) for number, offset in ((500, 10), (1, 98), (900, 99))] == [1, 1, 2]
    assert epoch(restarts, Trade("A-1", NOON + 9, "buy", "1", "1", NOON)) == 0
    assert epoch([], update(1, 0)) == 0


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(2, 5))
def test_eras_are_the_rising_runs_of_numbers(counts: list[int], length: int) -> None:
    """Each object two minutes after the one before; every few of them the numbers begin anew."""
    market = Market()
    eras: list[list[ObjectSpan]] = []
    number = 1
    for place, count in enumerate(counts):
        if place % length == 0:
            eras.append([])
            number = 1
        eras[-1].append(market.put(number, number + count - 1, 120 * place, 120 * place + 30))
        number += count
    assert list(by_epoch(market.times, market.times.__getitem__)) == eras


def update(number: int, offset: int) -> Record:
    """An update or a snapshot of some µs after noon, by a connection's clock."""
    time = NOON + offset
    nothing = Raw(b"[]")
    if number % 2:
        return BookSnapshot(
            last_id=number, bids=nothing, asks=nothing, origin="rest", local_timestamp=0, sent_timestamp=time
        )
    return BookUpdate(
        first_id=number, last_id=number, bids=nothing, asks=nothing, local_timestamp=0, sent_timestamp=time
    )


def test_a_record_is_certainly_later_by_a_second_of_the_engines_time() -> None:
    old = Trade(9, NOON, "buy", "1", "1", NOON)
    assert certainly_later(Trade(1, NOON + SECOND + 1, "buy", "1", "1", NOON), old)
    assert not certainly_later(Trade(1, NOON + SECOND, "buy", "1", "1", NOON), old)


def test_where_either_record_has_no_engine_time_it_takes_a_minute() -> None:
    def update(**times: int) -> BookUpdate:
        return BookUpdate(last_id=9, bids=Raw(b"[]"), asks=Raw(b"[]"), local_timestamp=NOON, **times)

    for old in (update(timestamp=NOON), update(sent_timestamp=NOON)):
        assert certainly_later(update(sent_timestamp=NOON + MINUTE + 1), old)
        assert not certainly_later(update(sent_timestamp=NOON + MINUTE), old)
