"""The Starlette application of the replay server: its routes and their lifetime."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from booktape.exchanges import exchange as find_exchange
from booktape.model import codec
from booktape.model.records import DAY, INSTRUMENTS, Instrument
from booktape.model.timestamps import start_of_day
from booktape.serve.binance import BinanceGateway
from booktape.serve.clock import MarketClock
from booktape.serve.playback import MarketCursor, Playback
from booktape.serve.raw_feed import RawFeed
from booktape.serve.record_feed import RecordFeed
from booktape.serve.source import EventSource
from booktape.store.layout import InvalidKeyError, instruments_prefix, parse_batch_key
from booktape.store.objects import Store

BINANCE_EXCHANGES: Final = ("binance", "binance-us")
"""The exchanges whose protocol is that of Binance spot."""

log = structlog.get_logger(__name__)


def create_app(source: EventSource, store: Store, clock: MarketClock | None, *, begin: bool = False) -> Starlette:
    """Create the application that serves an archive.

    :param source: the archive.
    :param store: the storage that holds the archive's raw frames and lists of instruments.
    :param clock: the market clock of the exchanges' own endpoints; None leaves those endpoints out.
    :param begin: start the clock at once rather than with the first subscription.
    """
    routes: list[BaseRoute] = [*RecordFeed(source).routes(), *RawFeed(store).routes()]
    playback = Playback(source, clock, _log_failure) if clock is not None else None
    if playback is not None:
        for name in BINANCE_EXCHANGES:
            gateway = BinanceGateway(find_exchange(name), playback, partial(listed_instruments, store, name))
            routes.append(Mount(f"/{name}", routes=gateway.routes()))
        routes.append(Route("/clock", partial(_clock_state, playback)))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if playback is None:
            yield
            return
        if begin:
            playback.begin()
        playing = asyncio.ensure_future(_play(playback))
        yield
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing

    return Starlette(routes=routes, lifespan=lifespan)


def listed_instruments(store: Store, exchange: str, time: int) -> list[Instrument]:
    """Read the newest list of an exchange's instruments that was stored by the end of a day.

    :param time: any time (µs) of that day.
    :returns: an empty list where no such list is stored.
    """
    stored = []
    for item in store.objects(instruments_prefix(exchange)):
        try:
            stored.append((parse_batch_key(item.key).minute, item.key))
        except InvalidKeyError:  # another program's file
            continue
    known = [one for one in stored if one[0] < start_of_day(time) + DAY]
    if not known:
        return []
    records = codec.decode_records(INSTRUMENTS, store.read(max(known)[1]))
    return [record for record in records if isinstance(record, Instrument)]


async def _clock_state(playback: Playback, request: Request) -> Response:
    clock = playback.clock
    state = "over" if playback.is_over else "running" if clock.is_running else "waiting"
    times = {"from": clock.start, "to": clock.end, "now": clock.now()}
    return JSONResponse({**times, "speed": clock.speed, "state": state})


async def _play(playback: Playback) -> None:
    try:
        await playback.play()
    except Exception as error:  # the log must show why nothing moves any more, whatever the error
        log.error("replay_failed", error=f"{type(error).__name__}: {error}")
        raise


def _log_failure(cursor: MarketCursor, error: Exception) -> None:
    log.error("market_failed", exchange=cursor.exchange.id, market=cursor.market, error=str(error))
