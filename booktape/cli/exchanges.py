"""``booktape exchanges`` and ``booktape markets``: what can be recorded, and how its loss can be seen."""

from typing import Annotated

import httpx
import typer
from msgspec import structs
from rich.table import Table

from booktape.cli import exchange_page
from booktape.cli.exchange_page import carried
from booktape.cli.terminal import AsJson, out, print_json
from booktape.exchanges import exchange as find_exchange
from booktape.exchanges import exchanges as all_exchanges
from booktape.exchanges.spec import Channel, Exchange
from booktape.model.records import TRADING, Instrument
from booktape.model.sequence import NONE, applies, verifies
from booktape.model.symbols import ALL, matching_markets
from booktape.rest.instruments import fetch_instruments
from booktape.rest.rate_limits import LocalRateLimiter
from config.settings import load_settings
from config.venues import load_venues

_TIMEOUT_SECONDS = 20


def exchanges(
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/exchanges.md.")] = False,
) -> None:
    """List the exchanges: their data types, and how loss can be seen in each.

    What no rule can verify is called unverifiable; it is never reported as clean.
    --json tells the limits and the documentation as well; --markdown makes docs/exchanges.md.
    """
    if as_markdown:
        typer.echo(exchange_page.page([venue for _, venue in sorted(all_exchanges().items())]), nl=False)
        return
    if as_json:
        print_json({identifier: declared(venue) for identifier, venue in sorted(all_exchanges().items())})
        return
    table = Table("exchange", "data type", "channel", "loss is seen by", "verifiable", box=None, pad_edge=False)
    for identifier, venue in sorted(all_exchanges().items()):
        for data_type, channel in carried(venue):
            sure = "yes" if verifies(channel.rule, data_type) else "no"
            table.add_row(identifier, data_type, channel.name, _rule(channel, data_type), sure)
    out.print(table)


def markets(
    exchange: Annotated[str, typer.Argument(help="Its id; `booktape exchanges` lists them.")],
    only: Annotated[str, typer.Option(help="A list such as BTC-USDT,*-PERP.")] = ALL,
    every_status: Annotated[bool, typer.Option("--every-status", help="Also those that are not trading now.")] = False,
    rest_url: Annotated[str | None, typer.Option(help="Another address than the exchange's own.")] = None,
    as_json: AsJson = False,
) -> None:
    """List a venue's instruments, as its REST API tells them now.

    Example: booktape markets kraken --only 'BTC-*'
    """
    venue = find_exchange(exchange)
    recorded = load_venues(load_settings().venues).get(exchange)
    base = rest_url or (recorded.rest_url if recorded else None)
    with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
        instruments = fetch_instruments(venue, LocalRateLimiter(venue.id), client, base=base)
    names = [name.strip() for name in only.split(",")]
    found = matching_markets(names, instruments, every_status=every_status)
    if as_json:
        print_json([_described(instrument) for instrument in found])
        return
    table = Table("market", "symbol", "kind", "tick", "lot", "contract", "status", box=None, pad_edge=False)
    for instrument in found:
        table.add_row(
            instrument.market,
            instrument.symbol,
            instrument.kind,
            instrument.price_increment,
            instrument.amount_increment,
            instrument.contract_size,
            instrument.status,
        )
    out.print(table)
    trading = sum(instrument.status == TRADING for instrument in instruments)
    out.print(f"{len(found):,} of {len(instruments):,} instruments, of which {trading:,} are trading")


def _described(instrument: Instrument) -> dict[str, object]:
    told = structs.asdict(instrument)
    return {name: told[name] for name in told if name != "local_timestamp"}


def _rule(channel: Channel, data_type: str) -> str:
    """The rule of a channel, as far as it is about that data type."""
    return channel.rule if applies(channel.rule, data_type) else NONE


def declared(venue: Exchange) -> dict[str, object]:
    """What an exchange declares, as ``booktape exchanges --json`` prints it."""
    limits, rest = venue.limits, venue.rest
    return {
        "title": venue.title,
        "docs": venue.docs,
        "data_types": {
            data_type: {
                "channels": [channel.name for kind, channel in carried(venue) if kind == data_type],
                "sequence_rule": _rule(first, data_type),
                "verifiable": verifies(first.rule, data_type),
            }
            for data_type, first in reversed(carried(venue))
        },
        "limits": {
            "streams_per_connection": limits.streams_per_connection,
            "subscriptions_per_message": limits.subscriptions_per_message,
            "messages_per_second": limits.messages_per_second,
            "connections_per_minute": limits.connections_per_minute,
            "connection_lifetime_seconds": limits.connection_lifetime,
        },
        "rest": {
            "budget_per_minute": rest.weight_per_minute,
            "book_weight": None if rest.book is None else rest.book.weight,
        },
    }
