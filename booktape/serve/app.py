"""The server's one application: which path leads where."""

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
from booktape.serve.binance import BinanceGateway
from booktape.serve.clock import MarketClock
from booktape.serve.normal import Normal
from booktape.serve.playback import MarketCursor, Playback
from booktape.serve.raw import RawFeed
from booktape.serve.source import EventSource
from booktape.store.layout import InvalidKeyError, instruments_prefix, parse_batch_key
from booktape.store.objects import Store

BINANCES: Final = ("binance", "binance-us")
"""The exchanges that speak Binance spot's protocol."""

log = structlog.get_logger(__name__)


def application(source: EventSource, store: Store, clock: MarketClock | None, *, begin: bool = False) -> Starlette:
    """What serves an archive.

    :param source: the archive.
    :param store: the storage that holds its raw frames and lists of instruments.
    :param clock: the market clock of the venues' own endpoints; without one there are none.
    :param begin: let the clock run at once, not from the first subscription on.
    """
    routes: list[BaseRoute] = [*Normal(source).routes(), *RawFeed(store).routes()]
    run = Playback(source, clock, _tell) if clock is not None else None
    if run is not None:
        for name in BINANCES:
            desk = BinanceGateway(find_exchange(name), run, partial(listed_instruments, store, name))
            routes.append(Mount(f"/{name}", routes=desk.routes()))
        routes.append(Route("/clock", partial(_clock, run)))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if run is None:
            yield
            return
        if begin:
            run.begin()
        playing = asyncio.ensure_future(_watched(run))
        yield
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing

    return Starlette(routes=routes, lifespan=lifespan)


def listed_instruments(store: Store, exchange: str, time: int) -> list[Instrument]:
    """An exchange's instruments by the newest list of its that is older than the end of a time's day (µs)."""
    found = []
    for item in store.objects(instruments_prefix(exchange)):
        try:
            found.append((parse_batch_key(item.key).minute, item.key))
        except InvalidKeyError:  # somebody else's file
            continue
    known = [one for one in found if one[0] < time // DAY * DAY + DAY]
    if not known:
        return []
    records = codec.decode_records(INSTRUMENTS, store.read(max(known)[1]))
    return [record for record in records if isinstance(record, Instrument)]


async def _clock(run: Playback, request: Request) -> Response:
    clock = run.clock
    state = "over" if run.is_over else "running" if clock.is_running else "waiting"
    times = {"from": clock.start, "to": clock.end, "now": clock.now()}
    return JSONResponse({**times, "speed": clock.speed, "state": state})


async def _watched(run: Playback) -> None:
    try:
        await run.play()
    except Exception as error:  # whatever it is, who looks at the log must see why nothing moves
        log.error("replay_failed", error=f"{type(error).__name__}: {error}")
        raise


def _tell(tape: MarketCursor, error: Exception) -> None:
    log.error("market_ended", exchange=tape.exchange.id, market=tape.market, error=str(error))
