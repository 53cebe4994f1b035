"""A reader of published book files as quants write it: plain dicts, and Tardis's rule for snapshots."""

import csv
from typing import NamedTuple


class Sides(NamedTuple):
    """A book: price to amount, both text."""

    bid: dict[str, str]
    ask: dict[str, str]


def replay(text: str) -> dict[str, Sides]:
    """Each market's book after the last row. A snapshot row after a row that is none resets its market's book."""
    books: dict[str, Sides] = {}
    in_snapshot: dict[str, bool] = {}
    for row in csv.DictReader(text.splitlines()):
        market, is_snapshot = row["symbol"], row["is_snapshot"] == "true"
        if market not in books or (is_snapshot and not in_snapshot[market]):
            books[market] = Sides({}, {})
        in_snapshot[market] = is_snapshot
        side = books[market].bid if row["side"] == "bid" else books[market].ask
        if float(row["amount"]) == 0:
            side.pop(row["price"], None)
        else:
            side[row["price"]] = row["amount"]
    return books
