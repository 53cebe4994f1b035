"""The ways to process frames. Each is prepared first, so that only the work itself is measured."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

import deflate
from msgspec import Raw, Struct, json

from bench.frames import START
from booktape.capture.pipeline import Pipeline
from booktape.exchanges import exchange
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import BookUpdate, Trade
from booktape.store.layout import batch_key
from booktape.store.objects import open_store

Work = Callable[[], object]
Prepare = Callable[[list[bytes], Path], Work]
"""Prepares everything, given frames and an empty directory, and returns the work to measure."""

_MILLISECOND: Final = 1_000
_encode_into = json.Encoder().encode_into


def booktape(exchange_id: str) -> Prepare:
    """The whole pipeline: parse, sequence rule, batch, key, gzip, object in a directory."""

    def prepare(frames: list[bytes], directory: Path) -> Work:
        venue, store = exchange(exchange_id), open_store(str(directory))

        def put(batch: Batch) -> None:
            store.create(str(batch_key(batch, exchange_id)), codec.compress(batch.lines))

        pipeline = Pipeline(venue, put, lambda gap: None)
        feed = pipeline.new_feed().feed

        def work() -> None:
            for received, frame in enumerate(frames, START):
                feed(frame, received)
            pipeline.close()

        return work

    return prepare


def parse_only(exchange_id: str) -> Prepare:
    """The exchange's parser alone."""

    def prepare(frames: list[bytes], directory: Path) -> Work:
        parse = exchange(exchange_id).parser()

        def work() -> None:
            for received, frame in enumerate(frames, START):
                parse(frame, received)

        return work

    return prepare


class _TradeData(Struct, gc=False):
    t: int
    p: str
    q: str
    T: int
    m: bool


class _DepthData(Struct, gc=False):
    E: int
    U: int
    u: int
    b: Raw
    a: Raw


class _TradeFrame(Struct, gc=False):
    data: _TradeData


class _DepthFrame(Struct, gc=False):
    data: _DepthData


def floor(record: Callable[[bytes, int], object], per_batch: int) -> Prepare:
    """The unavoidable work only: typed decode, record, encode into a buffer, deflate, write a file.

    No sequence rule, no minute, no key, no digest: batches are cut by counting.
    """

    def prepare(frames: list[bytes], directory: Path) -> Work:
        directory.mkdir(exist_ok=True)
        batches = [frames[start : start + per_batch] for start in range(0, len(frames), per_batch)]

        def work() -> None:
            received = count(START)
            for number, batch in enumerate(batches):
                lines = bytearray()
                for frame in batch:
                    _encode_into(record(frame, next(received)), lines, -1)
                    lines += b"\n"
                (directory / f"{number}.json.gz").write_bytes(deflate.gzip_compress(lines, codec.LEVEL))

        return work

    return prepare


_decode_trade = json.Decoder(_TradeFrame).decode
_decode_depth = json.Decoder(_DepthFrame).decode


def trade(frame: bytes, received: int) -> Trade:
    """A Binance trade, decoding only what is stored."""
    data = _decode_trade(frame).data
    return Trade(data.t, data.T * _MILLISECOND, "sell" if data.m else "buy", data.p, data.q, received)


def depth(frame: bytes, received: int) -> BookUpdate:
    """A Binance depth update, decoding only what is stored."""
    data = _decode_depth(frame).data
    return BookUpdate(
        first_id=data.U,
        last_id=data.u,
        bids=data.b,
        asks=data.a,
        local_timestamp=received,
        sent_timestamp=data.E * _MILLISECOND,
    )
