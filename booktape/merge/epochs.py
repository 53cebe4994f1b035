"""Finds the sequence resets of a day: the objects' keys show them, and a few objects are read to confirm them."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import groupby
from typing import Final

from booktape.exchanges import exchange
from booktape.merge import inputs
from booktape.merge.engine import Merge, MergeFailedError
from booktape.merge.inputs import MergeInputs, Systems
from booktape.model import codec
from booktape.model.codec import CorruptObjectError
from booktape.model.records import BOOK_UPDATES
from booktape.model.resets import ObjectSpan, ObjectTimes, Reset, Resets, find_resets, object_times
from booktape.model.sequence import placed_by_number
from booktape.store.layout import InvalidKeyError, market_of, parse_batch_key
from booktape.store.objects import Store, StoredObject

_AT_ONCE: Final = 32


def resets_of_day(systems: Systems, merge: Merge) -> dict[str, tuple[Reset, ...]]:
    """Find the resets in all that is stored of a day, by market.

    :raises MergeFailedError: an object cannot be read.
    :raises NothingToMergeError: nothing of the day is stored.
    """
    return find_merge_resets(merge, inputs.find_inputs(systems, merge, inputs.require_markets(systems, merge)))


def find_merge_resets(merge: Merge, found: Iterable[MergeInputs]) -> dict[str, tuple[Reset, ...]]:
    """Find the sequence resets in the objects that a merge reads, by market; markets without any are left out.

    Those of a book are found in its updates, if it has any: a snapshot that was fetched may be an old one. On an
    ordinary day no object is opened.

    :raises MergeFailedError: an object cannot be read.
    """
    try:
        rule = exchange(merge.exchange).channel(merge.data_type).rule
    except KeyError:  # whole books only
        rule = ""
    markets: defaultdict[str, list[tuple[Store, list[StoredObject]]]] = defaultdict(list)
    for one in found:
        for market, objects in groupby(one.objects, key=lambda item: market_of(item.key)):
            markets[market].append((one.store, list(objects)))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        resets = zip(markets, pool.map(partial(_of_market, rule), markets.values()), strict=True)
        return {market: some for market, some in resets if some}


def describe_resets(resets: Resets) -> list[str]:
    """Describe the resets as texts, for the fingerprint of a merge: none on an ordinary day."""
    return [f"{market} {reset}" for market, some in sorted(resets.items()) for reset in some]


def _of_market(rule: str, places: Iterable[tuple[Store, Iterable[StoredObject]]]) -> tuple[Reset, ...]:
    spans: defaultdict[str, dict[ObjectSpan, Store]] = defaultdict(dict)
    for store, objects in places:
        for item in objects:
            try:
                key = parse_batch_key(item.key)
            except InvalidKeyError:  # the merge itself reports it
                continue
            if placed_by_number(key.data_type, rule, key.first, key.minute):
                spans[key.data_type][ObjectSpan(key.minute, key.first, key.last, item.key)] = store
    leading = spans.get(BOOK_UPDATES) or next(iter(spans.values()), {})

    @cache
    def read(span: ObjectSpan) -> ObjectTimes:
        return _times(leading[span], span.key)

    return find_resets(leading, read)


def _times(store: Store, key: str) -> ObjectTimes:
    try:
        records = codec.decode_records(parse_batch_key(key).data_type, store.read(key))
    except CorruptObjectError as error:
        raise MergeFailedError(f"{store.url}/{key} cannot be merged: {error}; restore it, or move it away") from error
    if not records:
        raise MergeFailedError(f"{store.url}/{key} cannot be merged: it is empty; move it away")
    return object_times(records)
