"""``booktape serve``: the past over HTTP and WebSocket."""

from typing import Annotated

import typer

from booktape.cli.console import err
from booktape.cli.environment import reader_settings
from booktape.cli.logs import configure_logging
from booktape.cli.options import Storage
from booktape.cli.read import open_archive
from booktape.model.errors import InvalidInputError
from booktape.model.timestamps import parse_range
from booktape.serve import server
from booktape.serve.app import create_app
from booktape.serve.clock import MarketClock
from booktape.serve.requests import parse_speed
from booktape.store.objects import open_store


class IncompleteRangeError(InvalidInputError):
    """Only one end of the time range is given."""


def serve(
    start: Annotated[str | None, typer.Option("--from", help="When the market clock starts: 2024-08-09T12:00.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="When it ends.")] = None,
    speed: Annotated[str, typer.Option(help="A multiple of the recorded speed; 0 or max: as fast as possible.")] = "1",
    now: Annotated[
        bool, typer.Option("--now", help="Start the clock at once, not with the first subscription.")
    ] = False,
    storage: Storage = None,
    host: Annotated[
        str, typer.Option(help="0.0.0.0 accepts connections from other machines, without authentication.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any free port.")] = 8420,
) -> None:
    """Replay what was recorded: as Booktape's records, and as the exchange itself would have sent it.

    Without --from and --to it serves /replay, /book, /coverage and /raw, whose requests name their own times. With
    them, one market clock also runs for all clients of /binance, which behaves as Binance does, so that trading bots
    can connect to it.

    Example: booktape serve --from 2024-08-09T00:00 --to 2024-08-09T01:00 --speed 10
    """
    settings = reader_settings(storage)
    configure_logging(settings.log_level)
    if (start is None) != (end is None):
        raise IncompleteRangeError("--from and --to go together; give both, or neither")
    clock = None
    if start is not None and end is not None:
        clock = MarketClock(*parse_range(start, end), parse_speed(speed))
    store = open_store(settings.storage, make=False)
    app = create_app(open_archive(storage, None), store, clock, begin=now)
    server.run_server(app, host, port, lambda url: err.print(f"listening on {url}", highlight=False))
