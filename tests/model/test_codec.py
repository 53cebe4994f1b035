"""The stored form: fixed text, the same bytes for the same records, digests over identity alone."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from booktape.model import codec
from booktape.model.records import BOOK_UPDATES, TRADES, BookUpdate, Trade

TRADE = Trade(3735683259, 1723161255342000, "sell", "61837.63000000", "0.02000000", 1723161254087896)
LINE = (
    b'{"id":3735683259,"timestamp":1723161255342000,"side":"sell","price":"61837.63000000",'
    b'"amount":"0.02000000","local_timestamp":1723161254087896}\n'
)

trades = st.builds(
    Trade,
    st.integers(0, 2**53),
    st.integers(0, 2**53),
    st.sampled_from(["buy", "sell", "unknown"]),
    st.text(),
    st.text(),
    st.integers(0, 2**53),
)


def test_a_trade_is_one_line_of_json_with_its_fields_in_order() -> None:
    assert codec.encode_records([TRADE]) == LINE


def test_what_a_venue_does_not_give_is_not_written() -> None:
    update = BookUpdate(first_id=1, last_id=2, bids=Raw(b'[["1","2"]]'), asks=Raw(b"[]"), local_timestamp=3)
    assert (
        codec.encode_records([update])
        == b'{"first_id":1,"last_id":2,"bids":[["1","2"]],"asks":[],"local_timestamp":3}\n'
    )


def test_objects_are_plain_gzip_with_no_time_inside() -> None:
    content = codec.compress(LINE)
    assert gzip.decompress(content) == LINE
    assert content[4:8] == b"\0\0\0\0"


@given(st.lists(trades, max_size=5))
def test_what_was_stored_is_read_back(records: list[Trade]) -> None:
    assert codec.decode_records(TRADES, codec.compress(codec.encode_records(records))) == records


@given(st.lists(trades, min_size=1, max_size=5), st.integers(0, 2**53))
def test_the_digest_does_not_depend_on_when_a_collector_received_something(records: list[Trade], when: int) -> None:
    elsewhere = [Trade(t.id, t.timestamp, t.side, t.price, t.amount, when) for t in records]
    assert codec.digest(codec.encode_records(records)) == codec.digest(codec.encode_records(elsewhere))


@given(st.lists(trades, min_size=1, max_size=5))
def test_the_digest_depends_on_everything_else(records: list[Trade]) -> None:
    first = records[0]
    changed = [Trade(first.id, first.timestamp, first.side, first.price + "0", first.amount, 0), *records[1:]]
    assert codec.digest(codec.encode_records(records)) != codec.digest(codec.encode_records(changed))


def test_the_digest_of_a_known_line_never_changes_since_keys_in_the_archive_hold_it() -> None:
    assert codec.digest(LINE) == "72be7b85535f9718"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (codec.compress(LINE)[:-3], "truncated"),
        (b"no gzip", "not a sound gzip file"),
        (codec.compress(LINE)[:-8] + b"\0\0\0\0" + codec.compress(LINE)[-4:], "not a sound gzip file"),
        (codec.compress(b'{"id":1}\n'), "not trades records"),
    ],
    ids=["cut short", "no gzip", "wrong checksum", "another record"],
)
def test_a_damaged_object_is_refused(content: bytes, complaint: str) -> None:
    with pytest.raises(codec.CorruptObjectError, match=complaint):
        codec.decode_records(TRADES, content)


def test_book_updates_keep_their_levels_as_sent() -> None:
    update = BookUpdate(first_id=1, last_id=2, bids=Raw(b'[["1.10","2.000"]]'), asks=Raw(b"[]"), local_timestamp=3)
    (read,) = codec.decode_records(BOOK_UPDATES, codec.compress(codec.encode_records([update])))
    assert isinstance(read, BookUpdate)
    assert bytes(read.bids) == b'[["1.10","2.000"]]'
