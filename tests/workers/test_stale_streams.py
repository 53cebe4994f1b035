"""Silence is judged per stream, by its own limit, and told once per silence."""

from itertools import pairwise

from workers.stale_streams import Activity, StaleStreamDetector


def test_a_stream_that_delivers_is_never_silent() -> None:
    detector: StaleStreamDetector[str] = StaleStreamDetector()
    assert [detector.check(now, {"btc": Activity(now, 10)}) for now in range(0, 100, 5)] == [[]] * 20


def test_a_stream_is_silent_after_its_own_limit() -> None:
    detector: StaleStreamDetector[str] = StaleStreamDetector()
    streams = {"trades": Activity(1, 600), "book": Activity(1, 60)}
    assert detector.check(0, streams) == []
    assert detector.check(59, streams) == []
    assert detector.check(60, streams) == ["book"]


def test_a_stream_that_never_delivered_is_silent_too() -> None:
    detector: StaleStreamDetector[str] = StaleStreamDetector()
    detector.check(0, {"book": Activity(0, 60)})
    assert detector.check(60, {"book": Activity(0, 60)}) == ["book"]


def test_while_asking_anew_does_not_help_it_is_done_after_ever_longer_silence() -> None:
    detector: StaleStreamDetector[str] = StaleStreamDetector()
    assert [now for now in range(200) if detector.check(now, {"book": Activity(1, 10)})] == [10, 30, 70, 150]


def test_a_market_that_is_often_quiet_is_left_alone_four_times_as_long_as_its_longest_silence() -> None:
    detector: StaleStreamDetector[str] = StaleStreamDetector()
    told = []
    for now in range(1000):
        records = min(now, 450) // 90  # one update each 90 seconds, and none after 450
        if detector.check(now, {"book": Activity(records, 60)}):
            told.append(now)
    assert told == [60, 450 + 4 * 90]


def test_a_dead_market_is_asked_for_ever_more_rarely_and_never_more_often_again() -> None:
    detector: StaleStreamDetector[str] = StaleStreamDetector()
    told = [now for now in range(0, 4_000, 5) if detector.check(now, {"book": Activity(0, 10)})]
    assert [after - before for before, after in pairwise(told)] == [20, 40, 80, 160, 320, *[640] * 5]
