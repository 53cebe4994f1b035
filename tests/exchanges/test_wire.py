"""What many venues' wire formats have in common."""

import pytest

from booktape.exchanges.wire import half, millis_to_micros


@pytest.mark.parametrize("none", [None, 0, "0", ""])
def test_no_time_is_none(none: int | str | None) -> None:
    assert millis_to_micros(none) is None


def test_a_time_in_milliseconds_may_be_a_text() -> None:
    assert millis_to_micros("1735286400000") == millis_to_micros(1735286400000) == 1735286400000000


@pytest.mark.parametrize(
    ("number", "expected"),
    [("2", "1"), ("11", "5.5"), ("1", "0.5"), ("0", "0"), ("0.3", "0.15"), ("10.0", "5"),
     ("123456789012345678901", "61728394506172839450.5")],
)  # fmt: skip
def test_half_of_a_number_is_exact(number: str, expected: str) -> None:
    assert half(number) == expected
