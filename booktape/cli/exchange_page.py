"""``docs/exchanges.md``, out of what the exchanges declare."""

from collections.abc import Iterator, Sequence
from typing import Final

from booktape.exchanges.spec import Channel, Exchange
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, DERIVATIVE_TICKER, LIQUIDATIONS, QUOTES, TRADES
from booktape.model.sequence import NONE, applies, verifies

_TYPES: Final = (TRADES, BOOK_UPDATES, BOOK_SNAPSHOTS, QUOTES, DERIVATIVE_TICKER, LIQUIDATIONS)
_INTRODUCTION: Final = """\
# Exchanges

Made by `booktape exchanges --markdown` from what `booktape/exchanges/` declares; a test holds this page against it.

Each cell names the rule by which a lost record shows (the table in
[model/sequence.py](../booktape/model/sequence.py) explains them). **Bold**: loss can be seen. Plain: order and copies
only. `none`: the venue gives nothing to see it by, and Booktape never calls that clean. Empty: not recorded, mostly
because the venue does not have it on its public WebSocket. Book snapshots open the book's stream, are the book (where
there are no updates), or come over REST.
"""


def carried(venue: Exchange) -> list[tuple[str, Channel]]:
    """Each data type and what carries it; books over REST stand alone, so nothing in them can show a loss."""
    found = [(data_type, channel) for channel in venue.channels for data_type in channel.data_types]
    if venue.rest.book is not None and BOOK_SNAPSHOTS not in dict(found):
        found.append((BOOK_SNAPSHOTS, Channel("REST", (BOOK_SNAPSHOTS,), NONE)))
    return found


def page(exchanges: Sequence[Exchange]) -> str:
    """The page's Markdown."""
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
    lifetime = f"{limits.connection_lifetime / 3600:g} h" if limits.connection_lifetime else "not limited"
    book = f"book weight {rest.book.weight}" if rest.book else "no books"
    past = f"past trades weight {rest.trades.weight}" if rest.trades else "no past trades"
    yield f"## {venue.id}"
    yield ""
    yield f"{venue.title}. [Documentation]({venue.docs}). WebSocket `{venue.websocket_url}`, REST `{rest.url}`."
    yield ""
    yield "| data type | channel | loss is seen by |"
    yield "|---|---|---|"
    for data_type, channel in carried(venue):
        yield f"| {data_type} | `{channel.name}` | {_rule(channel, data_type)} |"
    yield ""
    yield (
        f"Limits: {limits.streams_per_connection} streams a connection, {limits.subscriptions_per_message} a message, "
        f"{limits.messages_per_second:g} messages a second, {limits.connections_per_minute} connections a minute, "
        f"lifetime {lifetime}. REST: {rest.budget:,} a minute, {book}, {past}."
    )
    yield ""
