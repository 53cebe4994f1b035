"""Keys say exactly what is inside, and parse back to what they were built from."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktape.model.keys import BatchKey, InvalidKeyError, day_prefix, parse_batch_key

MINUTE_2024 = 1723161240_000_000  # 2024-08-08 23:54:00 UTC
TEXT = (
    "trades/exchange=binance/pair=BTC-USDT/year=2024/month=08/day=08/"
    "2354_3735683259-3735684133_0a1b2c3d4e5f6071.json.gz"
)
KEY = BatchKey("trades", "binance", "BTC-USDT", MINUTE_2024, 3735683259, 3735684133, "0a1b2c3d4e5f6071")

names = st.text(st.characters(codec="ascii", categories=["Lu", "Nd"], include_characters="-."), min_size=1, max_size=12)


def test_a_key_as_it_is_written() -> None:
    assert str(KEY) == TEXT


def test_a_key_as_it_is_read() -> None:
    assert parse_batch_key(TEXT) == KEY


@given(
    st.sampled_from(["trades", "book_updates"]),
    st.sampled_from(["binance", "kraken-futures"]),
    names,
    st.integers(0, 4_000_000_000 // 60).map(lambda minute: minute * 60_000_000),
    st.integers(0, 2**63),
    st.integers(0, 2**63),
    st.text("0123456789abcdef", min_size=16, max_size=16),
)
def test_every_key_parses_back(
    data_type: str, exchange: str, market: str, minute: int, first: int, last: int, digest: str
) -> None:
    key = BatchKey(data_type, exchange, market, minute, first, last, digest)
    assert parse_batch_key(str(key)) == key


@pytest.mark.parametrize("text", ["", "trades/x.json.gz", TEXT.replace("month=08", "month=8"), TEXT + "#1"])
def test_what_is_no_key_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidKeyError, match="not the key of a batch"):
        parse_batch_key(text)


def test_a_day_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidKeyError, match="no such time"):
        parse_batch_key(TEXT.replace("month=08", "month=13"))


def test_a_days_objects_lie_below_one_prefix() -> None:
    assert TEXT.startswith(day_prefix("trades", "binance", "BTC-USDT", date(2024, 8, 8)))
