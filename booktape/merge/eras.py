"""Where venues began their numbers anew within a day: told by the objects' keys, and made sure of by reading a few."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import groupby
from typing import Final

from booktape.core import codec
from booktape.core.codec import CorruptObject
from booktape.core.keys import BadKey, parse_key
from booktape.core.proof_order import placed_by_number
from booktape.core.records import BOOK_UPDATES
from booktape.core.restarts import Restart, Restarts, Span, Times, find, times_of
from booktape.exchanges import exchange
from booktape.merge import inputs
from booktape.merge.engine import Merge, MergeFailed
from booktape.merge.inputs import Inputs, Systems
from booktape.storage import Object, Store

_AT_ONCE: Final = 32


def of_day(systems: Systems, merge: Merge) -> dict[str, tuple[Restart, ...]]:
    """The restarts in all that is stored of a day. Raises as :func:`restarts` does, and if nothing is stored of it."""
    return restarts(merge, inputs.find(systems, merge, inputs.require_markets(systems, merge)))


def restarts(merge: Merge, found: Iterable[Inputs]) -> dict[str, tuple[Restart, ...]]:
    """The restarts of the numbers of each market that has any, in the objects that a merge reads.

    A book's are told by its updates, where it has some: a book that was fetched may be an old one. On an ordinary day
    no object is opened. Raises :class:`~booktape.merge.MergeFailed` for one that cannot be read, and what its store
    raises.
    """
    try:
        rule = exchange(merge.exchange).channel(merge.data_type).rule
    except KeyError:  # whole books only
        rule = ""
    markets: defaultdict[str, list[tuple[Store, list[Object]]]] = defaultdict(list)
    for one in found:
        for market, objects in groupby(one.objects, key=lambda item: item.key.split("/", 3)[2]):
            markets[market.removeprefix("pair=")].append((one.store, list(objects)))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        told = zip(markets, pool.map(partial(_of_market, rule), markets.values()), strict=True)
        return {market: some for market, some in told if some}


def words(restarts: Restarts) -> list[str]:
    """The restarts as texts, for the fingerprint of a merge: none on an ordinary day."""
    return [f"{market} {restart}" for market, told in sorted(restarts.items()) for restart in told]


def _of_market(rule: str, places: Iterable[tuple[Store, Iterable[Object]]]) -> tuple[Restart, ...]:
    spans: defaultdict[str, dict[Span, Store]] = defaultdict(dict)
    for store, objects in places:
        for item in objects:
            try:
                key = parse_key(item.key)
            except BadKey:  # the merge itself names it
                continue
            if placed_by_number(key.data_type, rule, key):
                spans[key.data_type][Span(key.minute, key.first, key.last, item.key)] = store
    leading = spans.get(BOOK_UPDATES) or next(iter(spans.values()), {})

    @cache
    def read(span: Span) -> Times:
        return _times(leading[span], span.key)

    return find(leading, read)


def _times(store: Store, key: str) -> Times:
    try:
        records = codec.decode(parse_key(key).data_type, store.read(key))
    except CorruptObject as error:
        raise MergeFailed(f"{store.url}/{key} cannot be merged: {error}; restore it, or move it away") from error
    if not records:
        raise MergeFailed(f"{store.url}/{key} cannot be merged: it is empty; move it away")
    return times_of(records)
