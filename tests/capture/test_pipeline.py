"""The pipeline: records without a time, times that cannot be true, and whose errors are whose."""

import pytest

from booktape.capture.pipeline import ConnectionFeed, Pipeline
from booktape.exchanges import exchange
from booktape.model.batch import Batch
from booktape.model.gap import Gap
from booktape.model.records import MINUTE, SECOND
from booktape.store.objects import StorageUnavailableError

T0 = 1723161240_000_000  # 2024-08-08 23:54:00 UTC, the start of a minute


class Sink:
    """A pipeline of Binance, and what it hands over."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.gaps: list[Gap] = []
        self.pipeline = Pipeline(exchange("binance"), self.batches.append, self.gaps.append)

    def minutes(self) -> list[tuple[str, int, int]]:
        self.pipeline.close()
        return [(batch.data_type, batch.minute, batch.count) for batch in self.batches]


def quote(connection: ConnectionFeed, number: int, received: int) -> None:
    frame = b'{"stream":"x","data":{"u":%d,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}}' % number
    connection.feed(frame, received)


def trade(connection: ConnectionFeed, number: int, time: int, received: int) -> None:
    frame = b'{"stream":"x","data":{"e":"trade","s":"BTCUSDT","t":%d,"p":"1","q":"1","T":%d,"m":true}}'
    connection.feed(frame % (number, time // 1000), received)


def test_quotes_before_any_time_join_the_first_minute_that_the_exchange_tells() -> None:
    sink = Sink()
    connection = sink.pipeline.new_feed()
    quote(connection, 1, T0 + 5 * MINUTE)  # this machine's clock is five minutes ahead
    trade(connection, 1, T0, T0 + 5 * MINUTE + 1)
    quote(connection, 2, T0 + 5 * MINUTE + 2)
    assert sorted(sink.minutes()) == [("quotes", T0, 2), ("trades", T0, 1)]


def test_after_a_reconnect_quotes_wait_for_the_new_connections_time() -> None:
    sink = Sink()
    before = sink.pipeline.new_feed()
    trade(before, 1, T0, T0)
    quote(before, 1, T0)
    before.disconnected()
    after = sink.pipeline.new_feed()
    quote(after, 2, T0 + 11 * MINUTE)
    trade(after, 2, T0 + 11 * MINUTE, T0 + 11 * MINUTE)
    assert ("quotes", T0 + 11 * MINUTE, 1) in sink.minutes()


def test_where_the_exchange_tells_no_time_at_all_the_time_of_receipt_must_do() -> None:
    sink = Sink()
    connection = sink.pipeline.new_feed()
    for number in range(1, 181):
        quote(connection, number, T0 + number * SECOND)
    assert sink.minutes() == [
        ("quotes", T0, 59),
        ("quotes", T0 + MINUTE, 60),
        ("quotes", T0 + 2 * MINUTE, 60),
        ("quotes", T0 + 3 * MINUTE, 1),
    ]


def test_quotes_that_still_wait_at_the_end_are_not_lost() -> None:
    sink = Sink()
    quote(sink.pipeline.new_feed(), 1, T0)
    assert sink.minutes() == [("quotes", T0, 1)]


@pytest.mark.parametrize("ahead", [11 * MINUTE, 20 * 60 * MINUTE, T0 * 999])
def test_a_time_far_ahead_is_not_believed_and_spoils_nothing(ahead: int) -> None:
    sink = Sink()
    connection = sink.pipeline.new_feed()
    trade(connection, 1, T0, T0)
    trade(connection, 2, T0 + ahead, T0)
    trade(connection, 2, T0 + 1000, T0)
    assert sink.minutes() == [("trades", T0, 2)]
    assert sink.pipeline.unknown_frames == {"a time that is far ahead": 1}


def test_a_machine_whose_clock_is_slow_records_all_the_same() -> None:
    sink = Sink()
    connection = sink.pipeline.new_feed()
    slow = T0 - 600 * MINUTE
    for number, minute in enumerate([0, 1, 30, 31], 1):
        trade(connection, number, T0 + minute * MINUTE, slow + minute * MINUTE)
    assert [start for _, start, _ in sink.minutes()] == [T0, T0 + MINUTE, T0 + 30 * MINUTE, T0 + 31 * MINUTE]
    assert not sink.pipeline.unknown_frames


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"stream":"x","data":{"e":"trade","s":"BTCUSDT"}}', "trade without its fields"),
        (
            b'{"stream":"x","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2}}',
            "depthUpdate without its fields",
        ),
    ],
)
def test_a_frame_without_its_fields_is_counted_and_stored_nowhere(frame: bytes, kind: str) -> None:
    sink = Sink()
    sink.pipeline.new_feed().feed(frame, T0)
    assert (sink.pipeline.unknown_frames, sink.minutes()) == ({kind: 1}, [])


def test_what_whoever_takes_the_batches_cannot_do_is_not_blamed_on_the_frame() -> None:
    def full(batch: Batch) -> None:
        raise StorageUnavailableError("away")

    pipeline = Pipeline(exchange("binance"), full, lambda gap: None)
    connection = pipeline.new_feed()
    trade(connection, 1, T0, T0)
    with pytest.raises(StorageUnavailableError):
        trade(connection, 2, T0 + MINUTE, T0 + MINUTE)
    assert pipeline.unknown_frames == {}


def test_a_frame_that_arrived_but_is_not_understood_is_no_gap_in_the_connections_counter() -> None:
    gaps: list[Gap] = []
    pipeline = Pipeline(exchange("coinbase"), lambda batch: None, gaps.append)
    connection = pipeline.new_feed()
    for number, channel in enumerate([b"heartbeats", b"a new one", b"heartbeats"]):
        connection.feed(b'{"channel":"%s","sequence_num":%d,"timestamp":"x","events":[]}' % (channel, number), T0)
    assert (gaps, pipeline.unknown_frames) == ([], {"a new one": 1})


def test_a_counter_that_begins_anew_is_a_new_connection_whose_loss_shows() -> None:
    gaps: list[Gap] = []
    pipeline = Pipeline(exchange("coinbase"), lambda batch: None, gaps.append)
    connection = pipeline.new_feed()
    for number in [0, 1, 2, 0, 1, 5]:
        connection.feed(b'{"channel":"heartbeats","sequence_num":%d,"timestamp":"x","events":[]}' % number, T0)
    assert [(gap.first, gap.last) for gap in gaps] == [(2, 4)]
