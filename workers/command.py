"""The command line of the worker: ``booktape record`` and, for containers and supervisors, ``python -m workers``."""

from typing import Annotated, Literal

import typer

from booktape.cli.logs import configure_logging
from config.settings import load_settings
from config.venues import load_venues
from workers.options import Options, market_names, split_list
from workers.options import shard as parse_shard
from workers.worker import record_markets


def record(
    exchange: Annotated[str, typer.Option("--exchange", help="Its id; `booktape exchanges` lists them.")],
    markets: Annotated[
        str | None,
        typer.Option(help="A list such as BTC-USDT,*-EUR, or all. Default: those in config/venues.yaml."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="A directory or s3://bucket/prefix. Default: the setting BOOKTAPE_STORAGE."),
    ] = None,
    instance: Annotated[str, typer.Option(help="Tells identical workers apart.")] = "a",
    system: Annotated[
        Literal["primary", "replica"] | None,
        typer.Option(help="Each has a storage of its own. Default: the setting BOOKTAPE_SYSTEM, or primary."),
    ] = None,
    data_types: Annotated[str | None, typer.Option(help="A list; default: all that the exchange has.")] = None,
    spool: Annotated[str, typer.Option(help="Directory where batches wait while the store is away.")] = "var/spool",
    shard: Annotated[str, typer.Option(help="2/4: the second of four processes that share the markets.")] = "1/1",
    websocket_url: Annotated[str | None, typer.Option(help="Replaces the exchange's own address.")] = None,
    rest_url: Annotated[str | None, typer.Option(help="Replaces the address of its REST API.")] = None,
    connection_lifetime: Annotated[
        float | None,
        typer.Option(min=1, help="Replace connections after so many seconds. Default: before the venue ends them."),
    ] = None,
    listing_seconds: Annotated[float, typer.Option(min=1, help="How often to look for new listings.")] = 300,
    raw: Annotated[
        bool | None,
        typer.Option("--raw/--no-raw", help="Also store every frame as received. Default: the setting BOOKTAPE_RAW."),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Keep each market's last trade and best bid and ask in Redis.")
    ] = False,
) -> None:
    """Record markets of one exchange until Ctrl-C or SIGTERM; then flush all open batches.

    Globs and `all` are resolved by the venue's list of instruments, at the start and whenever it changes.

    Run it twice with different --instance names: both write the same keys, so the second copy of each batch is a
    no-op. Either may be killed at any time. Log lines are JSON, on standard output.

    Example: booktape record --exchange kraken --markets BTC-USD,ETH-USD --storage file:///tmp/tape
    """
    settings = load_settings()
    venue = load_venues(settings.venues).get(exchange)
    configure_logging(settings.log_level)
    record_markets(
        Options(
            exchange=exchange,
            markets=market_names(markets or ",".join(venue.markets if venue else ())),
            storage=storage or settings.storage,
            instance=instance,
            system=system or settings.system,
            data_types=split_list(data_types) if data_types else (),
            spool=spool,
            websocket_url=websocket_url or (venue.websocket_url if venue else None),
            rest_url=rest_url or (venue.rest_url if venue else None),
            redis_url=settings.redis_url,
            shard=parse_shard(shard),
            connection_lifetime=connection_lifetime,
            listing_seconds=listing_seconds,
            raw=settings.raw if raw is None else raw,
            live=live,
        )
    )
