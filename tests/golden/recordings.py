"""A small day of four venues, written as plain JSON: nothing of the application takes part in it.

So these objects stay as they are stored today, whatever becomes of the code that writes and reads them. What is wrong
with the day is said beside each part.
"""

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from zlib import crc32

DAY: Final = "2024-08-09"
MIDNIGHT: Final = 1_723_161_600_000_000
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
A_DAY: Final = 24 * HOUR

Plain = dict[str, Any]

_OBSERVATIONS: Final = re.compile(rb',"local_timestamp":.*')


def put(directory: Path, data_type: str, exchange: str, market: str, records: Iterable[Plain]) -> list[list[Any]]:
    """Store records as batches, one for each minute. What a ledger tells of them: the parts of their keys."""
    minutes: dict[int, list[Plain]] = {}
    for record in records:
        time = record.get("timestamp") or record.get("sent_timestamp") or record["local_timestamp"]
        minutes.setdefault(time // MINUTE * MINUTE, []).append(record)
    return [put_batch(directory, data_type, exchange, market, minute, some) for minute, some in minutes.items()]


def put_batch(
    directory: Path, data_type: str, exchange: str, market: str, minute: int, records: list[Plain]
) -> list[Any]:
    """Store one batch of a minute."""
    lines = b"".join(_line(record) for record in records)
    digest = sha256(_OBSERVATIONS.sub(b"", lines)).hexdigest()[:16]
    first = _number(records[0], "first_id")
    last = _number(records[-1], "last_id")
    clock = datetime.fromtimestamp(minute // SECOND, UTC)
    key = (
        f"{data_type}/exchange={exchange}/pair={market}/year={clock:%Y}/month={clock:%m}/day={clock:%d}/"
        f"{clock:%H%M}_{first}-{last}_{digest}.json.gz"
    )
    _write(directory / key, lines)
    return [minute, first, last, len(records), digest]


def put_ledger(directory: Path, exchange: str, instance: str, lines: list[Plain], start: int) -> None:
    """Store a segment of a worker's ledger."""
    text = b"".join(_line(line) for line in lines)
    clock = datetime.fromtimestamp(start // SECOND, UTC)
    name = f"{clock:%H%M%S}_{instance}_{sha256(text).hexdigest()[:16]}.json.gz"
    _write(directory / f"ledger/exchange={exchange}/year={clock:%Y}/month={clock:%m}/day={clock:%d}/{name}", text)


def _write(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text, mtime=0))


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _number(record: Plain, name: str) -> int:
    for field in (name, "last_id", "sequence", "id"):
        if isinstance(record.get(field), int):
            return int(record[field])
    return int(record.get("timestamp") or record.get("sent_timestamp") or record["local_timestamp"])


def trade(number: int, time: int, amount: str = "0.5", delay: int = 50_000) -> Plain:
    """A trade, so many µs after midnight."""
    at = MIDNIGHT + time
    side = "buy" if number % 3 else "sell"
    price = f"{60_000 + number % 100}.10"
    return {
        "id": number, "timestamp": at, "side": side, "price": price, "amount": amount, "local_timestamp": at + delay
    }  # fmt: skip


def quote(number: int, time: int, delay: int = 0) -> Plain:
    """As Binance sends them: without any time."""
    at = MIDNIGHT + time + 50_000 + delay
    return {
        "id": number, "timestamp": None, "bid_price": "99.0", "bid_amount": str(number % 7), "ask_price": "101.0",
        "ask_amount": "2", "local_timestamp": at,
    }  # fmt: skip


def seconds(numbers: Iterable[int], start: int, first: int) -> list[tuple[int, int]]:
    """Numbers, each with a time: one second after the other from ``start`` on, where ``first`` stands."""
    return [(number, start + (number - first) * SECOND) for number in numbers]


def but(first: int, last: int, *lost: int) -> list[int]:
    """The numbers from the first to the last, but for some."""
    return [number for number in range(first, last + 1) if number not in lost]


def state_line(data_type: str, market: str, instance: str, states: list[tuple[str, int, int]], **more: Any) -> Plain:
    """A ledger's line; times in µs after midnight."""
    told = [[name, MIDNIGHT + start, MIDNIGHT + end] for name, start, end in states]
    line = {"data_type": data_type, "market": market, "instance": instance, "from": told[0][1], "to": told[-1][2]}
    return {**line, "states": told, "gaps": more.pop("gaps", []), "batches": more.pop("batches", []), **more}


def record(primary: Path, replica: Path) -> None:
    """Write the whole day into both systems' storage."""
    _binance_trades(primary, replica)
    _binance_book(primary, replica)
    _binance_quotes(primary, replica)
    _futures(primary, replica)
    _kraken(primary)
    _coinbase(primary, replica)


def _binance_trades(primary: Path, replica: Path) -> None:
    """BTC-USDT: 121 and 122 are in the replica only, 118 in the primary only, 125 nowhere; ten minutes of downtime.

    ETH-USDT: the numbers begin anew at noon, and 5 is missing among the new ones. Two markets have odd names.
    """
    batches = []
    for store, lost, delay in ((primary, (121, 122, 125), 50_000), (replica, (118, 125), 60_000)):
        put(store, "trades", "binance", "BTC-USDT", [trade(100, -5 * SECOND, delay=delay)])
        written = put(
            store, "trades", "binance", "BTC-USDT",
            [trade(number, time, delay=delay) for number, time in seconds(but(101, 140, *lost), 50 * SECOND, 101)],
        )  # fmt: skip
        batches.append(written)
        put(store, "trades", "binance", "BTC-USDT", [trade(141, A_DAY - SECOND), trade(142, A_DAY + SECOND)])
        put(store, "trades", "binance", "ETH-USDT", [trade(n, t) for n, t in seconds(range(5_001, 5_011), 0, 5_001)])
        put(store, "trades", "binance", "ETH-USDT", [trade(n, t) for n, t in seconds(but(1, 8, 5), 12 * HOUR, 1)])
        for number, market in enumerate(("币安人生-USDT", "A\"B'C-USDT")):
            put(store, "trades", "binance", market, [trade(n, t, "1") for n, t in seconds((7, 8), number * HOUR, 7)])
    whole = ("connected", -HOUR, A_DAY + HOUR)
    down = [
        ("connected", -HOUR, 10 * HOUR), ("down", 10 * HOUR, 10 * HOUR + 10 * MINUTE),
        ("connected", 10 * HOUR + 10 * MINUTE, 15 * HOUR), ("silent", 15 * HOUR, 15 * HOUR + 5 * MINUTE),
        ("resyncing", 15 * HOUR + 5 * MINUTE, 15 * HOUR + 6 * MINUTE),
        ("connected", 15 * HOUR + 6 * MINUTE, A_DAY + HOUR),
    ]  # fmt: skip
    gap = {"first": 121, "last": 122, "kind": "ids", "at": MIDNIGHT + 73 * SECOND}
    since = MIDNIGHT - HOUR - 30 * SECOND
    odd = [state_line("trades", name, "a", [whole], over=True) for name in ("币安人生-USDT", "A\"B'C-USDT")]
    lines = [
        state_line("trades", "BTC-USDT", "a", down, gaps=[gap], batches=batches[0], lag=50_000, over=True),
        state_line("trades", "ETH-USDT", "a", [whole], lag=50_000, over=True),
        *odd,
    ]
    put_ledger(primary, "binance", "a", lines, MIDNIGHT - HOUR)
    late = [
        ("down", -HOUR, 6 * HOUR), ("connected", 6 * HOUR, 10 * HOUR + MINUTE),
        ("down", 10 * HOUR + MINUTE, 10 * HOUR + 9 * MINUTE), ("connected", 10 * HOUR + 9 * MINUTE, 14 * HOUR),
        ("silent", 14 * HOUR, 16 * HOUR), ("connected", 16 * HOUR, A_DAY + HOUR),
    ]  # fmt: skip
    lines = [state_line("trades", "BTC-USDT", "a", down, batches=batches[1], since=since, lag=60_000, over=True)]
    put_ledger(replica, "binance", "a", lines, MIDNIGHT - HOUR)
    lines = [state_line("trades", "BTC-USDT", "b", late, batches=batches[1][:1], over=True)]
    put_ledger(replica, "binance", "b", lines, MIDNIGHT - HOUR)


def _binance_book(primary: Path, replica: Path) -> None:
    """1011 is missing; the second of three snapshots fits, the third tells another amount."""
    whole = ("connected", -HOUR, A_DAY + HOUR)

    def update(number: int, time: int) -> Plain:
        at = MIDNIGHT + time
        bids = [[f"{99 - number % 5}.0", str(number % 4)]]
        asks = [[f"{101 + number % 3}.0", str(number % 6 + 1)]] if number % 2 else []
        return {
            "first_id": number, "last_id": number, "bids": bids, "asks": asks, "local_timestamp": at + 50_000,
            "sent_timestamp": at,
        }  # fmt: skip

    def snapshot(last: int, time: int, bids: list[list[str]], asks: list[list[str]]) -> Plain:
        at = MIDNIGHT + time
        return {
            "last_id": last, "bids": bids, "asks": asks, "origin": "rest", "local_timestamp": at + 90_000,
            "sent_timestamp": at,
        }  # fmt: skip

    first = [["99.0", "1"], ["98.0", "2"]], [["101.0", "1"], ["103.0", "9"]]
    again = [["99.0", "3"], ["97.0", "1"]], [["102.0", "4"], ["103.0", "5"]]
    for store in (primary, replica):
        market = ("book_updates", "binance", "BTC-USDT")
        put(store, *market, [update(n, t) for n, t in seconds(range(1_001, 1_011), 20 * SECOND, 1_001)])
        put(store, *market, [update(n, t) for n, t in seconds(range(1_012, 1_031), 31 * SECOND, 1_012)])
        put(store, "book_snapshots", "binance", "BTC-USDT", [snapshot(1_000, 10 * SECOND, *first)])
    put(primary, "book_snapshots", "binance", "BTC-USDT", [snapshot(1_015, 36 * SECOND, *again)])
    put(replica, "book_snapshots", "binance", "BTC-USDT", [snapshot(1_025, 3 * MINUTE, *first)])
    lines = [state_line("book_updates", "BTC-USDT", "books", [whole], lag=50_000, over=True)]
    put_ledger(primary, "binance", "books", lines, MIDNIGHT - HOUR)


def _binance_quotes(primary: Path, replica: Path) -> None:
    """Without any time of the exchange's, and nothing that would show a loss."""
    for store, delay in ((primary, 0), (replica, 9)):
        records = [quote(n, t, delay) for n, t in seconds(range(500, 510), 30 * SECOND, 500)]
        put(store, "quotes", "binance", "BTC-USDT", records)


def _futures(primary: Path, replica: Path) -> None:
    """Numbers that were used up, a linked book with a message missing, tickers, liquidations with copies."""
    market, exchange = "BTC-USDT-PERP", "binance-futures"
    for store, delay in ((primary, 0), (replica, 7)):
        trades = [trade(n, t, delay=50_000 + delay) for n, t in seconds(range(900, 910), 0, 900)]
        trades[4] |= {"price": "0", "amount": "0", "side": "unknown"}
        put(store, "trades", exchange, market, trades)
        tickers, liquidations = [], []
        for number in range(12):
            at = MIDNIGHT + number * 20 * SECOND
            told: Plain = {"timestamp": at}
            if number % 4 == 0:
                told |= {"funding_timestamp": MIDNIGHT + 8 * HOUR, "funding_rate": "0.0001"}
            if number % 4 == 1:
                told |= {"predicted_funding_rate": "-0.0002", "open_interest": "1234.5"}
            told |= {"last_price": f"{number}.5", "index_price": "10", "mark_price": f"{number}.75"}
            tickers.append({**told, "local_timestamp": at + 40_000 + delay, "sent_timestamp": at + 5})
            one = {"timestamp": at, "side": "sell" if number % 2 else "buy", "price": "9.5", "amount": str(number)}
            liquidations.append({**one, "local_timestamp": at + 60_000 + delay})
        put(store, "derivative_ticker", exchange, market, tickers)
        put(store, "liquidations", exchange, market, [*liquidations, liquidations[-1]])
        book = []
        for number in range(1, 9):
            at = MIDNIGHT + number * SECOND
            sides = {"bids": [[f"{90 + number}", "1.5"]], "asks": [["100", f"{number}"]]}
            previous = 2_000 + 10 * (number - 1) + (5 if number == 6 else 0)
            book.append(
                {"last_id": 2_000 + 10 * number, "previous_id": previous, "timestamp": at, **sides,
                 "local_timestamp": at + 50_000 + delay, "sent_timestamp": at + 3}
            )  # fmt: skip
        put(store, "book_updates", exchange, market, book)
        at = MIDNIGHT
        first = {"last_id": 2_000, "timestamp": at, "bids": [["90", "1"]], "asks": [["100", "1"], ["101", "2"]]}
        put(store, "book_snapshots", exchange, market, [{**first, "origin": "rest", "local_timestamp": at + 70_000}])


def _kraken(primary: Path) -> None:
    """A book whose messages carry a checksum: the last but one is wrong."""

    def sides(bids: dict[str, str], asks: dict[str, str]) -> tuple[list[list[str]], list[list[str]]]:
        down = sorted(bids.items(), key=lambda level: -float(level[0]))
        up = sorted(asks.items(), key=lambda level: float(level[0]))
        return [list(level) for level in down], [list(level) for level in up]

    def checksum(bids: dict[str, str], asks: dict[str, str]) -> int:
        down, up = sides(bids, asks)
        numbers = [number.replace(".", "").lstrip("0") for level in (*up[:10], *down[:10]) for number in level]
        return crc32("".join(numbers).encode())

    bids, asks = {"99.0": "1.00", "98.5": "2.00"}, {"101.0": "0.50", "102.0": "4.00"}
    down, up = sides(bids, asks)
    at = MIDNIGHT + SECOND
    snapshot = {
        "timestamp": at, "bids": down, "asks": up, "checksum": checksum(bids, asks), "origin": "stream",
        "local_timestamp": at + 30_000,
    }  # fmt: skip
    put(primary, "book_snapshots", "kraken", "BTC-USD", [snapshot])
    updates = []
    for number in range(1, 8):
        at = MIDNIGHT + (1 + 15 * number) * SECOND
        bids[f"{99 - number % 3}.5"] = f"{number}.00"
        right = checksum(bids, asks)
        updates.append(
            {"timestamp": at, "bids": [[f"{99 - number % 3}.5", f"{number}.00"]], "asks": [],
             "checksum": right + (number == 6), "local_timestamp": at + 30_000}
        )  # fmt: skip
    put(primary, "book_updates", "kraken", "BTC-USD", updates)
    put(primary, "trades", "kraken", "BTC-USD", [trade(n, t) for n, t in seconds(range(70, 75), MINUTE, 70)])


def _coinbase(primary: Path, replica: Path) -> None:
    """A trade of which the systems tell different amounts; a book whose loss only the ledger tells."""
    for store, amount in ((primary, "0.5"), (replica, "0.6")):
        trades = [trade(n, t, amount if n == 33 else "1") for n, t in seconds(range(30, 40), 2 * MINUTE, 30)]
        put(store, "trades", "coinbase", "BTC-USD", trades)
    at = MIDNIGHT + SECOND
    book = {"timestamp": at, "bids": [["99", "1"]], "asks": [["101", "1"]]}
    put(primary, "book_snapshots", "coinbase", "BTC-USD", [{**book, "origin": "stream", "local_timestamp": at + 9}])
    updates = [
        {"timestamp": at + n * SECOND, "bids": [["99", f"{n}"]], "asks": [["101", "0"], ["102", f"{n}"]],
         "local_timestamp": at + n * SECOND + 9}
        for n in range(1, 6)
    ]  # fmt: skip
    put(primary, "book_updates", "coinbase", "BTC-USD", updates)
    whole = ("connected", -HOUR, A_DAY + HOUR)
    lost = {"first": at + 2 * SECOND, "last": at + 3 * SECOND, "kind": "counter", "at": at + 3 * SECOND}
    interrupted = {"first": at, "last": at + SECOND, "kind": "time", "at": at + SECOND, "received": True}
    lines = [
        state_line("book_updates", "BTC-USD", "a", [whole], gaps=[interrupted, lost], lag=9, over=True),
        state_line("trades", "*", "a", [whole], lag=9, over=True),
    ]
    put_ledger(primary, "coinbase", "a", lines, MIDNIGHT - HOUR)


def heal(primary: Path) -> None:
    """What a night would have fetched: the trades of BTC-USDT and ETH-USDT that no system had."""
    put(primary / "rest", "trades", "binance", "BTC-USDT", [trade(125, 74 * SECOND, delay=900_000)])
    put(primary / "rest", "trades", "binance", "ETH-USDT", [trade(5, 12 * HOUR + 4 * SECOND, delay=900_000)])


SOURCES: Final = """\
binance-trades: {exchange: binance, data_type: trades, market_files: true}
binance-book-updates: {exchange: binance, data_type: book_updates, threshold: 0.5, market_files: true}
binance-quotes: {exchange: binance, data_type: quotes}
binance-bars: {exchange: binance, data_type: trade_bars, every: 3600}
binance-tops-5: {exchange: binance, data_type: book_snapshot_5, every: 7200}
binance-tops-25: {exchange: binance, data_type: book_snapshot_25}
binance-book-quotes: {exchange: binance, data_type: book_quotes}
futures-trades: {exchange: binance-futures, data_type: trades}
futures-book-updates: {exchange: binance-futures, data_type: book_updates, threshold: 0}
futures-tickers: {exchange: binance-futures, data_type: derivative_ticker, market_files: true}
futures-liquidations: {exchange: binance-futures, data_type: liquidations}
kraken-trades: {exchange: kraken, data_type: trades}
kraken-book-updates: {exchange: kraken, data_type: book_updates}
coinbase-trades: {exchange: coinbase, data_type: trades}
coinbase-book-updates: {exchange: coinbase, data_type: book_updates}
"""
