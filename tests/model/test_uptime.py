"""The uptime log: its lines, and the arithmetic of its intervals."""

import gzip
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from booktape.integrity.uptime_log import encode_segment
from booktape.model.codec import CorruptObjectError
from booktape.model.intervals import Interval, complement, intersection, total_length, union
from booktape.model.uptime import StreamInterval, StreamUptime, WrittenBatch, decode_segment
from tests.model.uptime_gaps import logged

START = 1723075815_000_000  # 2024-08-08 00:10:15 UTC
LINE = StreamUptime(
    "trades",
    "BTC-USDT",
    "a-1of4",
    START,
    START + 9,
    [StreamInterval("down", START, START + 2), StreamInterval("connected", START + 2, START + 9)],
    [logged(5, 7, "ids", START + 3)._replace(data_type="trades", market="BTC-USDT")],
    [WrittenBatch(1723075800_000_000, 1, 4, 4, "0a1b2c3d4e5f6071")],
)


def content(*lines: StreamUptime) -> bytes:
    return encode_segment("binance", "a-1of4", START, lines)[1]


def test_what_two_hosts_workers_of_one_name_say_lies_at_two_keys_and_the_same_said_again_at_one() -> None:
    first, _ = encode_segment("binance", "a-1of4", START, [LINE])
    again, _ = encode_segment("binance", "a-1of4", START, [LINE])
    other, _ = encode_segment("binance", "a-1of4", START, [structs.replace(LINE, lag=3)])
    assert first == again != other
    assert first == "ledger/exchange=binance/year=2024/month=08/day=08/001015_a-1of4_4d034acf03a1883f.json.gz"


def test_what_is_seldom_told_is_left_out() -> None:
    interrupted = logged(1, 2, "time", START + 3, received=True)._replace(data_type="trades", market="BTC-USDT")
    told = structs.replace(
        LINE,
        since=START - 5,
        lag=-2,
        over=True,
        gaps=[interrupted],
    )
    assert gzip.decompress(content(told)).endswith(
        b'"gaps":[{"first":1,"last":2,"kind":"time","at":1723075815000003,"received":true}],'
        b'"batches":[[1723075800000000,1,4,4,"0a1b2c3d4e5f6071"]],"since":1723075814999995,"lag":-2,"over":true}\n'
    )
    assert decode_segment(content(told)) == [told]


def test_a_line_as_it_is_written() -> None:
    assert gzip.decompress(content(LINE)) == (
        b'{"data_type":"trades","market":"BTC-USDT","instance":"a-1of4","from":1723075815000000,"to":1723075815000009,'
        b'"states":[["down",1723075815000000,1723075815000002],["connected",1723075815000002,1723075815000009]],'
        b'"gaps":[{"first":5,"last":7,"kind":"ids","at":1723075815000003}],'
        b'"batches":[[1723075800000000,1,4,4,"0a1b2c3d4e5f6071"]]}\n'
    )


def test_lines_are_read_as_they_were_written() -> None:
    assert decode_segment(content(LINE, LINE)) == [LINE, LINE]


@pytest.mark.parametrize("text", [b"{}", b"[", gzip.decompress(content(LINE)).replace(b'"down"', b'"asleep"')])
def test_what_is_no_segment_is_refused(text: bytes) -> None:
    with pytest.raises(CorruptObjectError, match="not a segment of the uptime log"):
        decode_segment(gzip.compress(text))


def test_intervals_that_overlap_or_touch_are_one() -> None:
    assert union([(8, 9), (1, 3), (3, 4), (2, 3), (6, 6)]) == [(1, 4), (8, 9)]


def test_what_two_sets_of_intervals_have_in_common() -> None:
    assert intersection([(0, 5), (7, 9)], [(4, 8), (9, 12)]) == [(4, 5), (7, 8)]


def test_what_is_left_of_an_interval() -> None:
    assert complement([(2, 3), (8, 20)], (0, 10)) == [(0, 2), (3, 8)]
    assert complement([], (0, 10)) == [(0, 10)]
    assert complement([(0, 10)], (0, 10)) == []
    assert complement([(1, 2)], (5, 5)) == []


def test_a_length_counts_nothing_twice() -> None:
    assert total_length([(0, 5), (3, 6), (10, 11)]) == 7


interval = st.tuples(st.integers(0, 30), st.integers(0, 30))
intervals = st.lists(interval, max_size=8)


def points(some: list[Interval]) -> set[int]:
    return {point for start, end in some for point in range(start, end)}


def is_normal(some: list[Interval]) -> bool:
    edges = [edge for one in some for edge in one]
    return all(before < after for before, after in pairwise(edges))


@given(intervals, intervals, interval)
def test_interval_arithmetic_is_that_of_sets_of_microseconds(
    some: list[Interval], others: list[Interval], within: Interval
) -> None:
    assert points(union(some)) == points(some)
    assert points(intersection(some, others)) == points(some) & points(others)
    assert points(complement(some, within)) == points([within]) - points(some)
    assert total_length(some) == len(points(some))
    assert all(map(is_normal, (union(some), intersection(some, others), complement(some, within))))
