"""``booktape exchanges``: what can be recorded, and how its loss can be seen."""

from rich.table import Table

from booktape.core.sequence import VERIFIABLE
from booktape.exchanges import exchanges as all_exchanges
from booktape.exchanges.spec import Channel, Exchange
from cli.terminal import AsJson, out, print_json


def exchanges(as_json: AsJson = False) -> None:
    """List the exchanges: their data types, how loss can be seen in each, their limits and documentation.

    What no rule can verify is called unverifiable; it is never reported as clean.
    """
    if as_json:
        print_json({identifier: _declared(venue) for identifier, venue in sorted(all_exchanges().items())})
        return
    table = Table("exchange", "data type", "channel", "loss is seen by", "verifiable")
    for identifier, venue in sorted(all_exchanges().items()):
        for channel in venue.channels:
            for data_type in channel.data_types:
                table.add_row(identifier, data_type, channel.name, channel.rule, "yes" if _sure(channel) else "no")
    out.print(table)


def _declared(venue: Exchange) -> dict[str, object]:
    limits = venue.limits
    return {
        "title": venue.title,
        "docs": venue.docs,
        "data_types": {
            data_type: {"channel": channel.name, "sequence_rule": channel.rule, "verifiable": _sure(channel)}
            for channel in venue.channels
            for data_type in channel.data_types
        },
        "limits": {
            "streams_per_connection": limits.streams_per_connection,
            "messages_per_second": limits.messages_per_second,
            "connection_lifetime_seconds": limits.connection_lifetime,
        },
        "rest_book": None if venue.rest is None else {"weight": venue.rest.weight, "budget": venue.rest.budget},
    }


def _sure(channel: Channel) -> bool:
    return channel.rule in VERIFIABLE
