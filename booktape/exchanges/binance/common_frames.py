"""Parser of control frames, shutdown notices and REST books, which have the same form in all Binance APIs.

The facts stand in :mod:`booktape.exchanges.binance`.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import Leaving, Message, SubscriptionRefusedError, UnknownFrameError
from booktape.exchanges.wire import millis_to_micros, path_and_query
from booktape.model.records import BOOK_SNAPSHOTS, BookSnapshot


class _Error(Struct):
    code: int = 0
    msg: str = ""


class _Control(Struct):
    id: int | str | None = None
    error: _Error | None = None
    code: int | None = None
    msg: str = ""


class _Shutdown(Struct):
    e: Literal["serverShutdown"]


class _ShutdownFrame(Struct):
    data: _Shutdown


class _Depth(Struct):
    lastUpdateId: int
    bids: Raw
    asks: Raw
    E: int = 0
    T: int = 0


_control = json.Decoder(_Control)
_shutdown = json.Decoder(_ShutdownFrame)
_depth = json.Decoder(_Depth)


def control(frame: bytes) -> Sequence[Message]:
    """Parse a frame without an event, which is the answer to a subscription. It holds no records."""
    content = _control.decode(frame)
    error = content.error or (_Error(content.code, content.msg) if content.code is not None else None)
    if error is not None:
        raise SubscriptionRefusedError(f"{error.msg} (code {error.code})")
    if content.id is None:
        raise UnknownFrameError("frame without stream or id")
    return ()


def shutdown(frame: bytes) -> Sequence[Leaving]:
    """Parse an event without a symbol, which announces that the server will end the connection.

    :raises msgspec.ValidationError: it is another event.
    """
    return (Leaving(_shutdown.decode(frame).data.e),)


def parse_rest(url: str, body: bytes, received: int, sent: int | None) -> Sequence[Message]:
    """Parse an answer of ``GET …/depth`` into a snapshot. Only answers of the futures carry times."""
    path, query = path_and_query(url)
    if not path.endswith("/depth"):
        return ()
    symbol, book = query["symbol"], _depth.decode(body)
    time, sent = millis_to_micros(book.T), millis_to_micros(book.E) or sent
    snapshot = BookSnapshot(
        last_id=book.lastUpdateId,
        timestamp=time,
        bids=book.bids,
        asks=book.asks,
        origin="rest",
        local_timestamp=received,
        sent_timestamp=sent,
    )
    return ((BOOK_SNAPSHOTS, symbol, time or sent or 0, snapshot),)
