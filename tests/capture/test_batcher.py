"""Streams: where batches are cut, and that nothing is lost or doubled on the way."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from booktape.capture.batcher import MAX_BATCH_BYTES, Batcher
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.gap import Gap, GapCause, GapUnit
from booktape.model.records import BOOK_UPDATES, MINUTE, QUOTES, TRADES, BookUpdate, Quote, Trade
from booktape.model.sequence import Contiguous, Linked, Ranged, Rule
from booktape.store.layout import batch_key

T0 = 1723161240_000_000  # 2024-08-08 23:54:00 UTC, the start of a minute


class Sink:
    """Collects what a stream hands over."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.gaps: list[Gap] = []

    def on_gap(self, gap: Gap) -> None:
        self.gaps.append(gap)

    def ranges(self) -> list[tuple[int, int]]:
        return [(batch.first, batch.last) for batch in self.batches]


def short(gaps: list[Gap]) -> list[tuple[GapUnit, int, int, GapCause]]:
    return [gap[:4] for gap in gaps]


def trades_stream(sink: Sink) -> Batcher:
    return Batcher(TRADES, "BTC-USDT", sink.batches.append, sink.on_gap, Contiguous(), spans_connections=True)


def feed(stream: Batcher, trades: list[tuple[int, int]]) -> None:
    for identifier, time in trades:
        stream.append(Trade(identifier, time, "buy", "1", "1", time + 5), time)


def book_update(time: int | None, **fields: Any) -> BookUpdate:
    return BookUpdate(bids=Raw(b"[]"), asks=Raw(b"[]"), timestamp=time, local_timestamp=T0, **fields)


def test_a_batch_ends_where_the_exchanges_time_enters_a_new_minute() -> None:
    sink = Sink()
    stream = trades_stream(sink)
    feed(stream, [(1, T0), (2, T0 + MINUTE - 1), (3, T0 + MINUTE)])
    stream.close()
    assert sink.ranges() == [(1, 2), (3, 3)]
    assert [batch.minute for batch in sink.batches] == [T0, T0 + MINUTE]


def test_a_late_record_does_not_reopen_a_minute() -> None:
    sink = Sink()
    stream = trades_stream(sink)
    feed(stream, [(1, T0), (2, T0 + MINUTE), (3, T0 + MINUTE - 1), (4, T0 + MINUTE + 1)])
    stream.close()
    assert sink.ranges() == [(1, 1), (2, 4)]


def test_a_gap_ends_the_batch_and_is_told_by_the_missing_ids() -> None:
    sink = Sink()
    stream = trades_stream(sink)
    feed(stream, [(1, T0), (2, T0), (5, T0), (6, T0)])
    stream.close()
    assert sink.ranges() == [(1, 2), (5, 6)]
    assert sink.gaps == [Gap(GapUnit.ID, 3, 4, GapCause.LOST, TRADES, "BTC-USDT", T0, T0)]


def test_records_seen_before_are_counted_and_left_out() -> None:
    sink = Sink()
    stream = trades_stream(sink)
    feed(stream, [(1, T0), (2, T0), (1, T0), (2, T0), (3, T0)])
    stream.close()
    assert sink.ranges() == [(1, 3)]
    assert (stream.duplicates, stream.records) == (2, 3)


def test_a_quiet_streams_batch_is_past_when_the_exchanges_clock_says_so() -> None:
    stream = trades_stream(Sink())
    assert not stream.is_past(T0 + 10 * MINUTE)
    feed(stream, [(1, T0)])
    assert not stream.is_past(T0 + MINUTE - 1)
    assert stream.is_past(T0 + MINUTE)


def test_ids_tell_what_a_reconnect_cost() -> None:
    sink = Sink()
    stream = trades_stream(sink)
    feed(stream, [(1, T0)])
    stream.interrupt()
    feed(stream, [(2, T0), (4, T0)])
    stream.close()
    assert sink.ranges() == [(1, 2), (4, 4)]
    assert sink.gaps == [Gap(GapUnit.ID, 3, 3, GapCause.LOST, TRADES, "BTC-USDT", T0, T0)]


def quotes_stream(sink: Sink) -> Batcher:
    return Batcher(QUOTES, "BTC-USD", sink.batches.append, sink.on_gap)


def quote(time: int | None, received: int = T0) -> Quote:
    return Quote(None, time, "1", "1", "2", "1", received)


def test_without_ids_every_reconnect_is_a_gap_between_two_times() -> None:
    sink = Sink()
    stream = quotes_stream(sink)
    stream.append(quote(T0 + 5), T0 + 5)
    stream.interrupt()
    stream.append(quote(T0 + 900), T0 + 900)
    stream.close()
    assert short(sink.gaps) == [(GapUnit.TIME, T0 + 5, T0 + 900, GapCause.INTERRUPTED)]
    assert sink.ranges() == [(T0 + 5, T0 + 5), (T0 + 900, T0 + 900)]


def test_a_reconnect_before_the_first_record_costs_nothing() -> None:
    sink = Sink()
    stream = quotes_stream(sink)
    stream.interrupt()
    stream.append(quote(T0), T0)
    assert sink.gaps == []


def test_records_before_the_exchange_has_told_any_time_join_the_first_minute_that_it_tells() -> None:
    sink = Sink()
    stream = quotes_stream(sink)
    stream.append(quote(None), 0)
    stream.append(quote(None), T0 + 3)
    stream.append(quote(None), T0 + MINUTE)
    stream.close()
    assert [(batch.minute, batch.count) for batch in sink.batches] == [(T0, 2), (T0 + MINUTE, 1)]


def test_if_the_exchange_never_tells_a_time_the_time_of_receipt_must_do() -> None:
    sink = Sink()
    stream = quotes_stream(sink)
    stream.append(quote(None, received=T0 + 7), 0)
    stream.close()
    assert sink.batches[0].minute == T0


def test_a_full_batch_is_handed_over_within_its_minute() -> None:
    sink = Sink()
    stream = quotes_stream(sink)
    big = Quote(None, T0, "1" * MAX_BATCH_BYTES, "1", "2", "1", T0)
    for _ in range(2):
        stream.append(big, T0)
    stream.close()
    assert [(batch.minute, batch.count) for batch in sink.batches] == [(T0, 1), (T0, 1)]


steps = st.lists(st.tuples(st.integers(1, 3), st.integers(-30, 90)), min_size=1, max_size=60)


@given(steps, st.integers(0, 59))
def test_whatever_comes_what_was_sent_is_in_the_batches_once_and_in_order(
    moves: list[tuple[int, int]], restart: int
) -> None:
    """Ids skip, times jump forwards and backwards; at some point a second collector joins mid-minute."""
    sent, identifier, time = [], 0, T0
    for step, seconds in moves:
        identifier, time = identifier + step, max(T0, time + seconds * 1_000_000)
        sent.append((identifier, time))
    whole, late = Sink(), Sink()
    for sink, trades in ((whole, sent), (late, sent[restart:])):
        stream = trades_stream(sink)
        feed(stream, trades)
        stream.close()
        stored = [
            record for batch in sink.batches for record in codec.decode_records(TRADES, codec.compress(batch.lines))
        ]
        assert [(t.id, t.timestamp) for t in stored] == trades  # type: ignore[union-attr]  # all are trades
        assert all(batch.first <= batch.last for batch in sink.batches)
    missing = sum(gap.last - gap.first + 1 for gap in whole.gaps)
    assert missing == identifier - sent[0][0] + 1 - len(sent)


def test_two_collectors_that_saw_the_same_write_the_same_key_whenever_they_received_it() -> None:
    keys = []
    for delay in (5, 77):
        sink = Sink()
        stream = trades_stream(sink)
        for identifier in (1, 2, 3):
            stream.append(Trade(identifier, T0, "buy", "1", "1", T0 + delay), T0)
        stream.close()
        keys.append(str(batch_key(sink.batches[0], "binance")))
    assert keys[0] == keys[1]
    assert keys[0].startswith("trades/exchange=binance/pair=BTC-USDT/year=2024/month=08/day=08/2354_1-3_")


def test_numbers_that_the_venue_begins_anew_are_news_and_the_restart_is_told() -> None:
    sink = Sink()
    stream = trades_stream(sink)
    feed(stream, [(900, T0), (901, T0 + 10), (1, T0 + 3_000_000), (2, T0 + 3_000_001)])
    stream.close()
    assert sink.ranges() == [(900, 901), (1, 2)]
    assert short(sink.gaps) == [(GapUnit.TIME, T0 + 10, T0 + 3_000_000, GapCause.RESET)]
    assert stream.duplicates == 0


def test_a_copy_is_no_restart_however_late_it_comes() -> None:
    sink = Sink()
    stream = trades_stream(sink)
    feed(stream, [(900, T0), (901, T0 + 10), (900, T0), (902, T0 + 5_000_000), (901, T0 + 10)])
    assert (stream.duplicates, sink.gaps) == (2, [])


def test_a_trade_out_of_order_within_a_second_is_no_restart() -> None:
    sink = Sink()
    stream = trades_stream(sink)
    feed(stream, [(900, T0), (902, T0 + 10), (901, T0 + 900_000)])
    assert (stream.duplicates, short(sink.gaps)) == (1, [(GapUnit.ID, 901, 901, GapCause.LOST)])


@pytest.mark.parametrize(
    ("rule", "update"),
    [
        (Ranged(), lambda number, time: book_update(time, first_id=number, last_id=number)),
        (Linked(), lambda number, time: book_update(time, previous_id=number - 1, last_id=number)),
    ],
)
def test_a_books_numbers_can_begin_anew_too(rule: Rule, update: Callable[[int, int], BookUpdate]) -> None:
    sink = Sink()
    stream = Batcher(BOOK_UPDATES, "BTC-USDT", sink.batches.append, sink.on_gap, rule, spans_connections=True)
    for number, time in [(900, T0), (901, T0), (1, T0 + 2_000_000), (2, T0 + 2_000_000)]:
        stream.append(update(number, time), time)
    stream.close()
    assert sink.ranges() == [(900, 901), (1, 2)]
    assert [gap.cause for gap in sink.gaps] == [GapCause.RESET]


def test_where_only_the_connection_tells_a_time_a_restart_shows_after_a_minute() -> None:
    sink = Sink()
    stream = Batcher(BOOK_UPDATES, "BTC-USDT", sink.batches.append, sink.on_gap, Ranged(), spans_connections=True)
    for number, sent in [(900, T0), (1, T0 + 30_000_000), (2, T0 + 61_000_000), (3, T0 + 62_000_000)]:
        stream.append(book_update(None, first_id=number, last_id=number, sent_timestamp=sent), sent)
    stream.close()
    assert sink.ranges() == [(900, 900), (2, 3)]
    assert (stream.duplicates, short(sink.gaps)) == (1, [(GapUnit.TIME, T0, T0 + 61_000_000, GapCause.RESET)])
