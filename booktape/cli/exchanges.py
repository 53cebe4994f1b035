"""``booktape exchanges``: what can be recorded, and how its loss can be seen."""

from typing import Annotated

import typer
from rich.table import Table

from booktape.cli import exchange_page
from booktape.cli.exchange_page import carried
from booktape.cli.options import AsJson
from booktape.cli.terminal import out, print_json
from booktape.exchanges import exchanges
from booktape.exchanges.spec import Channel, Exchange
from booktape.model.sequence import NONE, applies, verifies


def list_exchanges(
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/exchanges.md.")] = False,
) -> None:
    """List the exchanges: their data types, and how loss can be seen in each.

    A data type whose loss no rule can detect is called unverifiable; it is never reported as complete.
    --json adds the limits and links to the documentation; --markdown prints docs/exchanges.md.
    """
    if as_markdown:
        typer.echo(exchange_page.page([venue for _, venue in sorted(exchanges().items())]), nl=False)
        return
    if as_json:
        print_json({identifier: declared(venue) for identifier, venue in sorted(exchanges().items())})
        return
    table = Table("exchange", "data type", "channel", "loss is seen by", "verifiable", box=None, pad_edge=False)
    for identifier, venue in sorted(exchanges().items()):
        for data_type, channel in carried(venue):
            sure = "yes" if verifies(channel.rule, data_type) else "no"
            table.add_row(identifier, data_type, channel.name, _rule(channel, data_type), sure)
    out.print(table)


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
