"""Silence is judged per stream, by its own limit, and told once per silence."""

from workers.silence import Heard, Silence


def test_a_stream_that_delivers_is_never_silent() -> None:
    silence = Silence()
    assert [silence.check(now, {"btc": Heard(now, 10)}) for now in range(0, 100, 5)] == [[]] * 20


def test_a_stream_is_silent_after_its_own_limit() -> None:
    silence = Silence()
    streams = {"trades": Heard(1, 600), "book": Heard(1, 60)}
    assert silence.check(0, streams) == []
    assert silence.check(59, streams) == []
    assert silence.check(60, streams) == ["book"]


def test_a_stream_that_never_delivered_is_silent_too() -> None:
    silence = Silence()
    silence.check(0, {"book": Heard(0, 60)})
    assert silence.check(60, {"book": Heard(0, 60)}) == ["book"]


def test_each_further_silence_must_last_twice_as_long_until_the_stream_delivers() -> None:
    silence = Silence()
    quiet = {"book": Heard(1, 10)}
    told = [now for now in range(200) if silence.check(now, quiet)]
    assert told == [10, 30, 70, 150]
    alive = {"book": Heard(2, 10)}
    silence.check(200, alive)
    assert [now for now in range(201, 240) if silence.check(now, alive)] == [210, 230]
