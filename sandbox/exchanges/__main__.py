"""The command line: `python -m sandbox.exchanges --exchange binance --markets BTC-USDT,ETH-USDT …`."""

import asyncio
import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer
import uvloop

from sandbox.exchanges.capture import played
from sandbox.exchanges.simulation import DEFAULT_START, VENUES, Route, simulated

application = typer.Typer(add_completion=False, help="Simulated exchanges on loopback ports.")

Routes = Annotated[list[str] | None, typer.Option("--route", help="NAME=PORT, once per route; port 0 takes a free one")]


def parse_routes(texts: list[str] | None) -> dict[str, int]:
    """`["primary=0"]` → `{"primary": 0}`. Raises typer.BadParameter."""
    routes = {}
    for text in texts or ["primary=0"]:
        name, _, port = text.partition("=")
        if not name or not port.isdigit():
            raise typer.BadParameter(f"a route is NAME=PORT, not {text!r}")
        routes[name] = int(port)
    return routes


def announce(exchange: str, routes: Mapping[str, Route]) -> None:
    """The one line on stdout that says: ready, and where."""
    urls = {name: {"ws": route.ws, "http": route.http} for name, route in routes.items()}
    print(json.dumps({"exchange": exchange, "routes": urls}), flush=True)


async def wait_for_end(running: asyncio.Task[None] | None = None) -> None:
    """Until SIGTERM or SIGINT comes; what breaks `running` breaks this too."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    stopping: asyncio.Task[None] = asyncio.create_task(_wait_for(stop))
    tasks = {stopping} if running is None else {stopping, running}
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in done:
        task.result()


async def _wait_for(event: asyncio.Event) -> None:
    await event.wait()


@application.callback(invoke_without_command=True)
def simulate(
    context: typer.Context,
    exchange: Annotated[str, typer.Option(help="binance, coinbase or kraken")] = "binance",
    markets: Annotated[str, typer.Option(help="comma-separated, as in BTC-USDT,ETH-USDT")] = "BTC-USDT",
    route: Routes = None,
    seed: Annotated[int, typer.Option(help="the same seed gives the same markets")] = 1,
    speed: Annotated[float, typer.Option(help="market seconds per real second")] = 1.0,
    start: Annotated[str, typer.Option(help="market time at the origin, ISO 8601")] = DEFAULT_START,
    until: Annotated[str | None, typer.Option(help="market time at which the markets stop, ISO 8601")] = None,
    origin: Annotated[float | None, typer.Option(help="monotonic clock at `start`, to share it with others")] = None,
    opening: Annotated[
        Path | None, typer.Option(help="file that will name the moment at which the markets begin to trade")
    ] = None,
    rate: Annotated[float, typer.Option(help="market events per market and real second")] = 20.0,
    levels: Annotated[int, typer.Option(help="price levels a side")] = 500,
    ledger: Annotated[Path | None, typer.Option(help="JSON Lines file of everything sent")] = None,
) -> None:
    """Simulate an exchange until SIGTERM."""
    if context.invoked_subcommand:
        return
    if exchange not in VENUES:
        raise typer.BadParameter(f"unknown exchange {exchange!r}; there are {', '.join(VENUES)}")
    routes = parse_routes(route)

    async def run() -> None:
        async with simulated(
            exchange,
            markets.split(","),
            seed=seed,
            speed=speed,
            rate=rate,
            start=start,
            until=until,
            origin=origin,
            opening=opening,
            routes=routes,
            levels=levels,
            ledger=ledger,
        ) as simulation:
            announce(exchange, simulation.routes)
            await wait_for_end(simulation.server.running)

    uvloop.run(run())


@application.command()
def play(
    file: Annotated[Path, typer.Argument(help="a recorded connection, gzipped JSON Lines", exists=True)],
    route: Routes = None,
    speed: Annotated[float, typer.Option(help="recorded seconds per real second; 0 is as fast as possible")] = 0.0,
    then: Annotated[Literal["hold", "close"], typer.Option(help="what to do with the connections at the end")] = "hold",
    clients: Annotated[int, typer.Option(help="begin when so many clients have subscribed")] = 1,
) -> None:
    """Play a recorded connection to every client until SIGTERM."""
    routes = parse_routes(route)

    async def run() -> None:
        async with played(file, speed=speed, then=then, clients=clients, routes=routes) as playing:
            announce(file.name, playing.routes)
            await wait_for_end()

    uvloop.run(run())


if __name__ == "__main__":
    application()
