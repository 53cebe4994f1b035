"""The same questions to every exchange. A new one answers them with one module and one folder of fixtures.

A fixture is one frame after the venue's documentation, and what it must yield:
``tests/exchanges/fixtures/<id>/*.json``.
"""

import gzip
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import json
from msgspec.structs import asdict

from booktape.capture.pipeline import Pipeline
from booktape.exchanges import UnknownExchangeError, exchange, exchanges
from booktape.exchanges.spec import WHOLE_VENUE, Exchange, Output, Request, Subscription, SubscriptionRefusedError
from booktape.model import sequence
from booktape.model.batch import Batch
from booktape.model.gap import Gap, GapUnit
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, RECORD_TYPES, TRADES, Instrument

FIXTURES = Path(__file__).parent / "fixtures"
RECEIVED = 1_000
MARKET_NAME: Final = re.compile(r"[^\s/,*?\[\]=]+(-[^\s/,*?\[\]=]+)+")


@dataclass(frozen=True)
class MissingTrades:
    """Missing trades, and the path of the REST request that asks for them."""

    path: str
    symbol: str
    first: int
    last: int
    after: int
    before: int

    def gap(self) -> Gap:
        return Gap(GapUnit.ID, self.first, self.last, after=self.after, before=self.before)


@dataclass(frozen=True)
class Fixture:
    """One documented frame, or REST answer with its ``url``, and what it must yield.

    ``before`` are frames that the same connection had before it; ``instruments`` what a list of instruments holds;
    ``missing`` the trades that were requested over REST: then ``yields`` are the trades themselves.
    """

    docs: str
    frame: str
    yields: list[dict[str, Any]]
    refused: str | None = None
    url: str | None = None
    sent: int | None = None
    before: tuple[str, ...] = ()
    encoding: Literal["text", "gzip"] = "text"
    instruments: list[dict[str, Any]] | None = None
    missing: MissingTrades | None = None

    @property
    def is_frame(self) -> bool:
        return self.url is None and self.instruments is None and self.missing is None

    def content(self) -> bytes:
        return self._encoded(self.frame)

    def frames(self) -> list[bytes]:
        return [self._encoded(text) for text in (*self.before, self.frame)]

    def parse(self, venue: Exchange) -> list[Output]:
        if self.url is not None:
            return list(venue.parse_rest(self.url, self.content(), RECEIVED, self.sent))
        parse = venue.parser()
        *before, last = self.frames()
        for frame in before:
            parse(frame, RECEIVED)
        return list(parse(last, RECEIVED))

    def _encoded(self, text: str) -> bytes:
        return gzip.compress(text.encode()) if self.encoding == "gzip" else text.encode()


def fixtures(identifier: str) -> dict[str, Fixture]:
    return {
        path.stem: json.decode(path.read_bytes(), type=Fixture)
        for path in sorted((FIXTURES / identifier).glob("*.json"))
    }


EVERY_EXCHANGE = sorted(exchanges())
EVERY_FIXTURE = [(identifier, name) for identifier in EVERY_EXCHANGE for name in fixtures(identifier)]
EVERY_RANGE = [key for key in EVERY_FIXTURE if fixtures(key[0])[key[1]].missing is not None]
EVERY_LISTING = [key for key in EVERY_FIXTURE if fixtures(key[0])[key[1]].instruments is not None]
EVERY_ANSWER = [key for key in EVERY_FIXTURE if key not in EVERY_RANGE and key not in EVERY_LISTING]
EVERY_BOOK_OVER_REST = [identifier for identifier in EVERY_EXCHANGE if exchange(identifier).rest.book is not None]
EVERY_FRAME = [key for key in EVERY_FIXTURE if fixtures(key[0])[key[1]].is_frame]


def readable(output: Output) -> dict[str, Any]:
    """As fixtures write it: a record with its data type, symbol and time, or a signal with its type and field."""
    if not isinstance(output, tuple):
        fields = {name: value.decode() if isinstance(value, bytes) else value for name, value in asdict(output).items()}
        return {"signal": type(output).__name__, **fields}
    data_type, symbol, time, record = output
    return {"data_type": data_type, "symbol": symbol, "time": time, "record": json.decode(json.encode(record))}


def records(fixture: Fixture) -> list[dict[str, Any]]:
    """What the fixture yields, without signals."""
    return [message for message in fixture.yields if "signal" not in message]


@pytest.mark.parametrize(("identifier", "name"), EVERY_ANSWER)
def test_a_documented_frame_yields_just_its_records(identifier: str, name: str) -> None:
    fixture = fixtures(identifier)[name]
    if fixture.refused is not None:
        with pytest.raises(SubscriptionRefusedError) as refusal:
            fixture.parse(exchange(identifier))
        assert str(refusal.value) == fixture.refused
        return
    assert [readable(message) for message in fixture.parse(exchange(identifier))] == fixture.yields


@pytest.mark.parametrize(("identifier", "name"), EVERY_LISTING)
def test_a_documented_list_of_instruments_yields_them(identifier: str, name: str) -> None:
    fixture = fixtures(identifier)[name]
    found = exchange(identifier).rest.listing.parse(fixture.content(), RECEIVED)
    assert [json.decode(json.encode(instrument)) for instrument in found] == fixture.instruments


@pytest.mark.parametrize(("identifier", "name"), EVERY_RANGE)
def test_a_documented_answer_with_past_trades_yields_the_streams_own_records(identifier: str, name: str) -> None:
    fixture, past = fixtures(identifier)[name], exchange(identifier).rest.trades
    assert fixture.missing is not None
    assert past is not None
    assert past.request(fixture.missing.symbol, fixture.missing.gap()) == Request(fixture.missing.path)
    if fixture.refused is not None:
        with pytest.raises(SubscriptionRefusedError) as refusal:
            past.parse(fixture.content(), RECEIVED)
        assert str(refusal.value) == fixture.refused
        return
    assert [json.decode(json.encode(trade)) for trade in past.parse(fixture.content(), RECEIVED)] == fixture.yields


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
def test_past_trades_are_fetched_only_where_numbers_show_what_is_missing_and_a_fixture_has_an_answer(
    identifier: str,
) -> None:
    venue = exchange(identifier)
    assert (venue.rest.trades is not None) == any(key[0] == identifier for key in EVERY_RANGE)
    if venue.rest.trades is not None:
        assert venue.channel(TRADES).rule in (sequence.CONTIGUOUS, sequence.SEQUENCED)


@pytest.mark.parametrize("identifier", EVERY_BOOK_OVER_REST)
def test_a_book_over_rest_is_asked_for_as_a_fixture_tells_and_stands_among_the_streams_messages(
    identifier: str,
) -> None:
    """By an id where the stream goes by ids, else by the engine's time: the one says nothing among the others."""
    venue = exchange(identifier)
    book, channel = venue.rest.book, venue.book
    assert book is not None
    assert channel is not None
    assert 1 <= book.weight <= venue.rest.weight_per_minute
    told = [
        message["record"]
        for fixture in fixtures(identifier).values()
        for message in records(fixture)
        if fixture.missing is None and fixture.url == venue.rest.url + book.request(message["symbol"]).path
    ]
    leading = BOOK_UPDATES if BOOK_UPDATES in channel.data_types else BOOK_SNAPSHOTS
    streamed = [
        message["record"]
        for fixture in fixtures(identifier).values()
        for message in records(fixture)
        if fixture.is_frame and message["data_type"] == leading
    ]
    assert {record["origin"] for record in told} == {"rest"}
    by_number = {"last_id" in record for record in (*told, *streamed)}
    assert len(by_number) == 1
    assert by_number == {True} or all("timestamp" in record for record in told)


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
def test_every_instrument_has_a_name_of_its_own_that_leads_back_to_its_symbol(identifier: str) -> None:
    venue = exchange(identifier)
    found = instruments(identifier)
    assert found, "no fixture has instruments"
    assert len({instrument.market for instrument in found}) == len({instrument.symbol for instrument in found})
    for instrument in found:
        assert MARKET_NAME.fullmatch(instrument.market)
        assert venue.market(instrument.symbol) == instrument.market
        assert venue.symbol(instrument.market) == instrument.symbol
        assert instrument.kind in {"spot", "perpetual", "future", "option", "other"}


@pytest.mark.parametrize(("identifier", "name"), EVERY_ANSWER)
def test_the_symbols_of_messages_are_those_of_markets(identifier: str, name: str) -> None:
    venue = exchange(identifier)
    for message in records(fixtures(identifier)[name]):
        assert venue.symbol(venue.market(message["symbol"])) == message["symbol"]


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
def test_every_data_type_that_is_declared_has_a_fixture_that_yields_it(identifier: str) -> None:
    declared = {kind for channel in exchange(identifier).channels for kind in channel.data_types}
    answers = [fixture for fixture in fixtures(identifier).values() if fixture.missing is None]
    yielded = {message["data_type"] for fixture in answers for message in records(fixture)}
    assert declared <= yielded
    assert yielded - {BOOK_SNAPSHOTS} <= declared
    assert declared <= set(RECORD_TYPES)


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
def test_what_is_declared_makes_sense(identifier: str) -> None:
    venue = exchange(identifier)
    assert venue.docs.startswith("https://")
    assert venue.websocket_url.startswith("wss://")
    assert venue.rest.url.startswith("https://")
    assert venue.rest.listing.requests
    rules = {channel.rule for channel in venue.channels}
    assert rules <= sequence.VERIFIABLE | {sequence.MONOTONIC, sequence.NONE}
    assert (sequence.CHECKSUM in rules) == (venue.book_checksum is not None)
    kinds = [kind for channel in venue.channels for kind in channel.data_types if kind != DERIVATIVE_TICKER]
    assert len(kinds) == len(set(kinds))
    assert venue.book is None or venue.book_starts_with_snapshot or venue.rest.book is not None


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
def test_subscriptions_name_every_channel_and_symbol_within_the_limit_of_a_message(identifier: str) -> None:
    venue = exchange(identifier)
    symbol = instruments(identifier)[0].symbol
    channel = next(channel for channel in venue.channels if not channel.venue_wide)
    count = venue.limits.subscriptions_per_message + 1
    messages = venue.subscribe([Subscription(channel.name, symbol)] * count)
    assert len(messages) == 2
    assert b"".join(messages).decode().lower().count(symbol.lower()) >= count
    if venue.unsubscribe is not None:
        assert venue.unsubscribe([Subscription(channel.name, symbol)]) != messages[1:]


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
def test_every_channel_can_be_subscribed_to(identifier: str) -> None:
    venue = exchange(identifier)
    symbol = instruments(identifier)[0].symbol
    asked = [
        tuple(venue.subscribe([Subscription(channel.name, WHOLE_VENUE if channel.venue_wide else symbol)]))
        for channel in venue.channels
    ]
    assert all(asked)
    assert len(set(asked)) == len(asked)
    for messages in asked:
        assert all(isinstance(json.decode(message), dict | list) for message in messages)


def instruments(identifier: str) -> list[Instrument]:
    listing = exchange(identifier).rest.listing
    lists = [fixture for fixture in fixtures(identifier).values() if fixture.instruments is not None]
    return [instrument for fixture in lists for instrument in listing.parse(fixture.content(), RECEIVED)]


def recorded(identifier: str, frames: list[bytes]) -> Pipeline:
    batches: list[Batch] = []
    gaps: list[Gap] = []
    recorder = Pipeline(exchange(identifier), batches.append, gaps.append)
    connection = recorder.new_feed()
    for number, frame in enumerate(frames):
        connection.feed(frame, RECEIVED + number)
    recorder.close()
    return recorder


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
@pytest.mark.parametrize(
    "frame",
    [b"", b"not json", b"\xff\xfe", b"null", b"[]", b"{}", b"17", b'{"stream":"x@new","data":{"e":"new","s":"X"}}',
     b'{"channel":"new","sequence_num":1,"timestamp":"x","events":[]}', b"[" * 100_000, b" " * 10_000_000],
    ids=lambda frame: frame[:20].decode(errors="replace").strip() or f"{len(frame)} bytes",
)  # fmt: skip
def test_a_frame_that_is_not_known_is_counted_by_its_kind_and_never_fatal(identifier: str, frame: bytes) -> None:
    recorder = recorded(identifier, [frame])
    assert recorder.unknown_frames.total() == 1
    assert (recorder.frames, recorder.records()) == (1, {})


@pytest.mark.parametrize(("identifier", "name"), EVERY_FRAME)
@settings(max_examples=15)  # of each of hundreds of frames
@given(data=st.data())
def test_a_truncated_frame_is_counted_and_leaves_no_record(identifier: str, name: str, data: st.DataObject) -> None:
    fixture = fixtures(identifier)[name]
    *before, last = fixture.frames()
    cut = data.draw(st.integers(0, len(last) - 1))
    whole, torn = recorded(identifier, before), recorded(identifier, [*before, last[:cut]])
    assert torn.unknown_frames.total() == whole.unknown_frames.total() + 1
    assert torn.records() == whole.records()


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
@given(data=st.data())
def test_frames_in_any_order_and_number_are_all_accounted_for(identifier: str, data: st.DataObject) -> None:
    sequences = [fixture.frames() for fixture in fixtures(identifier).values() if fixture.is_frame]
    chosen = data.draw(st.lists(st.sampled_from(sequences), max_size=30))
    frames = [frame for frames in chosen for frame in frames]
    recorder = recorded(identifier, frames)
    assert recorder.frames == len(frames)
    assert recorder.unknown_frames.total() == 0


def test_an_unknown_exchange_is_refused_with_the_list_of_those_there_are() -> None:
    with pytest.raises(UnknownExchangeError, match=r"unknown exchange 'mtgox'; there are: .*kraken"):
        exchange("mtgox")


def test_ever_new_kinds_of_frames_do_not_fill_the_memory() -> None:
    frames = [b'{"stream":"s%d","data":{"e":"kind%d","s":"X"}}' % (number, number) for number in range(500)]
    recorder = recorded("binance", frames)
    assert recorder.unknown_frames.total() == 500
    assert len(recorder.unknown_frames) == 101
    assert recorder.unknown_frames["other"] == 400


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
def test_an_id_can_be_part_of_a_key(identifier: str) -> None:
    assert re.fullmatch("[a-z0-9-]+", identifier)
