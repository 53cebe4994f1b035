"""Silence is judged per stream, by its own limit, and told once per silence."""

from itertools import pairwise

from workers.stale_streams import Heard, StaleStreamDetector


def test_a_stream_that_delivers_is_never_silent() -> None:
    silence = StaleStreamDetector()
    assert [silence.check(now, {"btc": Heard(now, 10)}) for now in range(0, 100, 5)] == [[]] * 20


def test_a_stream_is_silent_after_its_own_limit() -> None:
    silence = StaleStreamDetector()
    streams = {"trades": Heard(1, 600), "book": Heard(1, 60)}
    assert silence.check(0, streams) == []
    assert silence.check(59, streams) == []
    assert silence.check(60, streams) == ["book"]


def test_a_stream_that_never_delivered_is_silent_too() -> None:
    silence = StaleStreamDetector()
    silence.check(0, {"book": Heard(0, 60)})
    assert silence.check(60, {"book": Heard(0, 60)}) == ["book"]


def test_while_asking_anew_does_not_help_it_is_done_after_ever_longer_silence() -> None:
    silence: StaleStreamDetector[str] = StaleStreamDetector()
    assert [now for now in range(200) if silence.check(now, {"book": Heard(1, 10)})] == [10, 30, 70, 150]


def test_a_market_that_is_often_quiet_is_left_alone_four_times_as_long_as_its_longest_silence() -> None:
    silence: StaleStreamDetector[str] = StaleStreamDetector()
    told = []
    for now in range(1000):
        records = min(now, 450) // 90  # one update each 90 seconds, and none after 450
        if silence.check(now, {"book": Heard(records, 60)}):
            told.append(now)
    assert told == [60, 450 + 4 * 90]


def test_a_dead_market_is_asked_for_ever_more_rarely_and_never_more_often_again() -> None:
    silence: StaleStreamDetector[str] = StaleStreamDetector()
    told = [now for now in range(0, 4_000, 5) if silence.check(now, {"book": Heard(0, 10)})]
    assert [after - before for before, after in pairwise(told)] == [20, 40, 80, 160, 320, *[640] * 5]
