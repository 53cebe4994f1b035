"""The same questions to every exchange. A new one answers them with one module and one folder of fixtures.

A fixture is one frame after the venue's documentation, and what it must yield:
``tests/exchanges/fixtures/<id>/*.json``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from booktape.core import sequence
from booktape.core.records import RECORD_TYPES
from booktape.core.streams import Batch
from booktape.exchanges import UnknownExchange, exchange, exchanges
from booktape.exchanges.spec import COUNTER, Exchange, Message, Refused, Subscription
from booktape.recorder import GapSeen, Recorder

FIXTURES = Path(__file__).parent / "fixtures"
RECEIVED = 1_000


@dataclass(frozen=True)
class Fixture:
    """One documented frame and what it must yield."""

    docs: str
    frame: str
    yields: list[dict[str, Any]]
    refused: str | None = None
    url: str | None = None
    sent: int | None = None

    def parse(self, venue: Exchange) -> list[Message]:
        content = self.frame.encode()
        if self.url is not None:
            return list(venue.parse_rest(self.url, content, RECEIVED, self.sent))
        return list(venue.parse(content, RECEIVED))


def fixtures(identifier: str) -> dict[str, Fixture]:
    return {
        path.stem: json.decode(path.read_bytes(), type=Fixture)
        for path in sorted((FIXTURES / identifier).glob("*.json"))
    }


EVERY_EXCHANGE = sorted(exchanges())
EVERY_FIXTURE = [(identifier, name) for identifier in EVERY_EXCHANGE for name in fixtures(identifier)]


def readable(message: Message) -> dict[str, Any]:
    data_type, symbol, time, record = message
    shown = record if isinstance(record, int) else json.decode(json.encode(record))
    return {"data_type": data_type, "symbol": symbol, "time": time, "record": shown}


@pytest.mark.parametrize(("identifier", "name"), EVERY_FIXTURE)
def test_a_documented_frame_yields_just_its_records(identifier: str, name: str) -> None:
    fixture = fixtures(identifier)[name]
    if fixture.refused is not None:
        with pytest.raises(Refused) as refusal:
            fixture.parse(exchange(identifier))
        assert str(refusal.value) == fixture.refused
        return
    assert [readable(message) for message in fixture.parse(exchange(identifier))] == fixture.yields


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
def test_every_data_type_that_is_declared_has_a_fixture_that_yields_it(identifier: str) -> None:
    declared = {kind for channel in exchange(identifier).channels for kind in channel.data_types}
    yielded = {message["data_type"] for fixture in fixtures(identifier).values() for message in fixture.yields}
    assert declared <= yielded
    assert yielded - {COUNTER} <= set(RECORD_TYPES)


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
def test_what_is_declared_makes_sense(identifier: str) -> None:
    venue = exchange(identifier)
    assert venue.docs.startswith("https://")
    assert venue.websocket_url.startswith("wss://")
    rules = {channel.rule for channel in venue.channels}
    assert rules <= sequence.VERIFIABLE | {sequence.MONOTONIC, sequence.NONE}
    assert (sequence.CHECKSUM in rules) == (venue.book_checksum is not None)
    kinds = [kind for channel in venue.channels for kind in channel.data_types]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
@pytest.mark.parametrize("market", ["BTC-USD", "ETH-BTC"])
def test_market_names_translate_there_and_back(identifier: str, market: str) -> None:
    venue = exchange(identifier)
    assert venue.market(venue.symbol(market)) == market


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
def test_subscriptions_name_every_channel_and_symbol_within_the_limit_of_a_message(identifier: str) -> None:
    venue = exchange(identifier)
    symbols = [venue.symbol(f"A{number}-USD") for number in range(venue.limits.subscriptions_per_message + 1)]
    messages = venue.subscribe([Subscription(venue.channels[0].name, symbol) for symbol in symbols])
    assert len(messages) == 2
    text = b"".join(messages).decode().lower()
    assert all(symbol.lower() in text for symbol in symbols)
    assert venue.unsubscribe([Subscription(venue.channels[0].name, symbols[0])]) != messages[:1]


def recorded(identifier: str, frames: list[bytes]) -> Recorder:
    batches: list[Batch] = []
    gaps: list[GapSeen] = []
    recorder = Recorder(exchange(identifier), batches.append, gaps.append)
    connection = recorder.connection()
    for number, frame in enumerate(frames):
        connection.feed(frame, RECEIVED + number)
    recorder.close()
    return recorder


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
@pytest.mark.parametrize(
    "frame",
    [b"", b"not json", b"\xff\xfe", b"null", b"[]", b"{}", b"17", b'{"stream":"x@new","data":{"e":"new","s":"X"}}',
     b'{"channel":"new","sequence_num":1,"timestamp":"x","events":[]}'],
)  # fmt: skip
def test_a_frame_that_is_not_known_is_counted_by_its_kind_and_never_fatal(identifier: str, frame: bytes) -> None:
    recorder = recorded(identifier, [frame])
    assert recorder.not_understood.total() == 1
    assert (recorder.frames, recorder.records()) == (1, {})


@pytest.mark.parametrize(("identifier", "name"), EVERY_FIXTURE)
@given(data=st.data())
def test_a_truncated_frame_is_counted_and_leaves_no_record(identifier: str, name: str, data: st.DataObject) -> None:
    fixture = fixtures(identifier)[name]
    cut = data.draw(st.integers(0, len(fixture.frame) - 1))
    recorder = recorded(identifier, [fixture.frame.encode()[:cut]])
    assert recorder.not_understood.total() == 1
    assert recorder.records() == {}


@pytest.mark.parametrize("identifier", EVERY_EXCHANGE)
@given(data=st.data())
def test_frames_in_any_order_and_number_are_all_accounted_for(identifier: str, data: st.DataObject) -> None:
    frames = [fixture.frame.encode() for fixture in fixtures(identifier).values() if fixture.url is None]
    chosen = data.draw(st.lists(st.sampled_from(frames), max_size=30))
    recorder = recorded(identifier, chosen)
    assert recorder.frames == len(chosen)
    assert recorder.not_understood.total() == 0


def test_an_unknown_exchange_is_refused_with_the_list_of_those_there_are() -> None:
    with pytest.raises(UnknownExchange, match=r"unknown exchange 'mtgox'; there are: .*kraken"):
        exchange("mtgox")


def test_ever_new_kinds_of_frames_do_not_fill_the_memory() -> None:
    frames = [b'{"stream":"s%d","data":{"e":"kind%d","s":"X"}}' % (number, number) for number in range(500)]
    recorder = recorded("binance", frames)
    assert recorder.not_understood.total() == 500
    assert len(recorder.not_understood) == 101
    assert recorder.not_understood["other"] == 400
