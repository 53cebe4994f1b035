"""Makes ``docs/exchanges.md`` from the declarations of the exchanges."""

from collections.abc import Iterator, Sequence
from typing import Final

from booktape.exchanges.spec import Channel, Exchange
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import NONE, applies, verifies

_TYPES: Final = (TRADES, BOOK_UPDATES, BOOK_SNAPSHOTS, QUOTES, DERIVATIVE_TICKER, LIQUIDATIONS)
_INTRODUCTION: Final = """\
# Exchanges

`booktape exchanges --markdown` generates this page from the declarations in `booktape/exchanges/`. A test compares
the two.

The first table has a row for each exchange and a column for each data type. A cell holds the sequence rule,
which detects lost records. The table in [model/sequence.py](../booktape/model/sequence.py) explains the rules.

- **Bold**: a loss can be detected.
- Plain (`monotonic`): only the order and duplicates can be checked.
- `none`: the venue publishes nothing that would show a loss. Booktape reports such data as unverifiable, never as
  complete.
- `REST`: the book snapshots are fetched over REST, because the stream does not begin with one.
- Empty: not recorded, in most cases because the venue does not have it on its public WebSocket.

Book snapshots are the first message of a book stream, or the whole stream where a venue sends no updates.
"""


def carried(venue: Exchange) -> list[tuple[str, Channel]]:
    """Each data type with its channel. REST books have the channel ``REST`` and the rule ``none``."""
    found = [(data_type, channel) for channel in venue.channels for data_type in channel.data_types]
    if venue.rest.book is not None and BOOK_SNAPSHOTS not in dict(found):
        found.append((BOOK_SNAPSHOTS, Channel("REST", (BOOK_SNAPSHOTS,), NONE)))
    return found


def page(exchanges: Sequence[Exchange]) -> str:
    """The page in Markdown."""
    return "\n".join([_INTRODUCTION, *_matrix(exchanges), *(line for venue in exchanges for line in _section(venue))])


def _matrix(exchanges: Sequence[Exchange]) -> Iterator[str]:
    yield f"| exchange | {' | '.join(_TYPES)} |"
    yield "|---" * (len(_TYPES) + 1) + "|"
    for venue in exchanges:
        yield f"| [{venue.id}](#{venue.id}) | {' | '.join(_cell(venue, kind) for kind in _TYPES)} |"
    yield ""


def _cell(venue: Exchange, data_type: str) -> str:
    channels = [channel for kind, channel in carried(venue) if kind == data_type]
    return _rule(channels[0], data_type) if channels else ""


def _rule(channel: Channel, data_type: str) -> str:
    if channel.name == "REST":
        return "REST"
    if not applies(channel.rule, data_type):
        return "none"
    return f"**{channel.rule}**" if verifies(channel.rule, data_type) else channel.rule


def _section(venue: Exchange) -> Iterator[str]:
    limits, rest = venue.limits, venue.rest
    lifetime = (
        f"lifetime {limits.connection_lifetime / 3600:g} h" if limits.connection_lifetime else "lifetime unlimited"
    )
    book = f"a book costs {rest.book.weight}" if rest.book else "books are not fetched"
    past = f"a request for past trades costs {rest.trades.weight}" if rest.trades else "past trades are not fetched"
    yield f"## {venue.id}"
    yield ""
    yield f"{venue.title} ([API documentation]({venue.docs})). WebSocket: `{venue.websocket_url}`. REST: `{rest.url}`."
    yield ""
    yield "| data type | channel | sequence rule |"
    yield "|---|---|---|"
    for data_type, channel in carried(venue):
        yield f"| {data_type} | `{channel.name}` | {_rule(channel, data_type)} |"
    yield ""
    yield (
        f"- Connections: {limits.streams_per_connection:,} streams each, "
        f"{limits.messages_per_second:g} messages a second, "
        f"{_counted(limits.subscriptions_per_message, 'subscription')} a message, {lifetime}, "
        f"{_counted(limits.connections_per_minute, 'new connection')} a minute."
    )
    yield f"- REST: a request weight of {rest.weight_per_minute:,} a minute; {book}; {past}."
    yield ""


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
