"""``booktape serve``: the past over HTTP and WebSocket."""

from typing import Annotated

import typer

from booktape.cli.read import open_archive
from booktape.model.errors import BooktapeError
from booktape.model.timestamps import parse_range
from booktape.serve import server
from booktape.serve.app import application
from booktape.serve.clock import MarketClock
from booktape.serve.requests import speed as parse_speed
from booktape.store.objects import open_store
from config.console import err
from config.logging import configure_logging
from config.settings import load_settings


class IncompleteRangeError(BooktapeError):
    """One end of a stretch without the other."""


def serve(
    start: Annotated[str | None, typer.Option("--from", help="When the market clock begins: 2024-08-09T12:00.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="When it ends.")] = None,
    speed: Annotated[str, typer.Option(help="How often as fast as it was; 0 or max: as fast as can be.")] = "1",
    now: Annotated[bool, typer.Option("--now", help="Begin at once, not with the first subscription.")] = False,
    storage: Annotated[
        str | None,
        typer.Option(help="A directory or s3://bucket/prefix. Default: the setting BOOKTAPE_STORAGE."),
    ] = None,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in, whoever they are.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any that is free.")] = 8420,
) -> None:
    """Replay what was recorded: as Booktape's records, and as the venue itself would have sent it.

    Without --from and --to there are /replay, /book, /coverage and /raw, which name their own times. With them, one
    market clock runs for all who connect to /binance as if it were Binance: trading bots can be pointed at the past.

    Example: booktape serve --from 2024-08-09T00:00 --to 2024-08-09T01:00 --speed 10
    """
    settings = load_settings()
    configure_logging(settings.log_level)
    if (start is None) != (end is None):
        raise IncompleteRangeError("--from and --to go together; give both, or neither")
    clock = None
    if start is not None and end is not None:
        clock = MarketClock(*parse_range(start, end), parse_speed(speed))
    store = open_store(storage or settings.storage, make=False)
    app = application(open_archive(storage, None), store, clock, begin=now)
    server.run_server(app, host, port, lambda url: err.print(f"listening on {url}", highlight=False))
