"""``booktape exchanges``: what can be recorded, and how its loss can be seen."""

from rich.table import Table

from booktape.core.records import BOOK_SNAPSHOTS
from booktape.core.sequence import NONE, VERIFIABLE
from booktape.exchanges import exchanges as all_exchanges
from booktape.exchanges.spec import Channel, Exchange
from cli.terminal import AsJson, out, print_json


def exchanges(as_json: AsJson = False) -> None:
    """List the exchanges: their data types, and how loss can be seen in each.

    What no rule can verify is called unverifiable; it is never reported as clean.
    --json tells the limits and the documentation as well.
    """
    if as_json:
        print_json({identifier: _declared(venue) for identifier, venue in sorted(all_exchanges().items())})
        return
    table = Table("exchange", "data type", "channel", "loss is seen by", "verifiable", box=None, pad_edge=False)
    for identifier, venue in sorted(all_exchanges().items()):
        for data_type, channel in _carried(venue):
            table.add_row(identifier, data_type, channel.name, channel.rule, "yes" if _sure(channel) else "no")
    out.print(table)


def _carried(venue: Exchange) -> list[tuple[str, Channel]]:
    """Each data type and what carries it; books over REST stand alone, so nothing in them can show a loss."""
    carried = [(data_type, channel) for channel in venue.channels for data_type in channel.data_types]
    if venue.rest.book is not None:
        carried.append((BOOK_SNAPSHOTS, Channel("REST", (BOOK_SNAPSHOTS,), NONE)))
    return carried


def _declared(venue: Exchange) -> dict[str, object]:
    limits = venue.limits
    return {
        "title": venue.title,
        "docs": venue.docs,
        "data_types": {
            data_type: {"channel": channel.name, "sequence_rule": channel.rule, "verifiable": _sure(channel)}
            for data_type, channel in _carried(venue)
        },
        "limits": {
            "streams_per_connection": limits.streams_per_connection,
            "messages_per_second": limits.messages_per_second,
            "connection_lifetime_seconds": limits.connection_lifetime,
        },
        "rest_book": None if venue.rest.book is None else {"weight": venue.rest.book.weight, "budget": venue.rest.budget},
    }


def _sure(channel: Channel) -> bool:
    return channel.rule in VERIFIABLE
