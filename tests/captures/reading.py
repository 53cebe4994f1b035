"""An independent reading of captures, for tests: plain json and dicts, nothing of Booktape."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Sides = tuple[dict[str, str], dict[str, str]]


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a capture that came from the exchange."""
    with gzip.open(path, "rt") as file:
        return [line for line in map(json.loads, file) if line["dir"] == "in"]


def binance_events(path: Path) -> Iterator[dict[str, Any]]:
    """The payloads of Binance's frames."""
    for line in lines(path):
        if line["kind"] == "ws":
            yield json.loads(line["data"])["data"]


def apply(side: dict[str, str], price: str, amount: str) -> None:
    """Set a level, or remove it when the amount is zero."""
    if float(amount) == 0:
        side.pop(price, None)
    else:
        side[price] = amount


def binance_book(path: Path, symbol: str) -> Sides:
    """A straight replay of Binance's documented procedure: the REST snapshot, then every later depth event."""
    events = [e for e in binance_events(path) if e.get("e") == "depthUpdate" and e["s"] == symbol]
    (snapshot,) = (
        json.loads(line["data"])
        for line in lines(path)
        if line["kind"] == "http" and f"symbol={symbol}&" in line["url"]
    )
    bids, asks = dict(snapshot["bids"]), dict(snapshot["asks"])
    for event in events:
        if event["u"] > snapshot["lastUpdateId"]:
            for side, key in ((bids, "b"), (asks, "a")):
                for price, amount in event[key]:
                    apply(side, price, amount)
    return bids, asks


def coinbase_book(path: Path, product: str) -> Sides:
    """A straight replay of Coinbase's l2_data: the snapshot event, then every update."""
    sides: dict[str, dict[str, str]] = {"bid": {}, "offer": {}}
    for line in lines(path):
        frame = json.loads(line["data"]) if line["kind"] == "ws" else {}
        for event in frame["events"] if frame.get("channel") == "l2_data" else []:
            if event["product_id"] == product:
                for level in event["updates"]:
                    apply(sides[level["side"]], level["price_level"], level["new_quantity"])
    return sides["bid"], sides["offer"]
