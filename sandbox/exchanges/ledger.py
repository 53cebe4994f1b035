"""The ledger: everything a venue sent, as a perfect collector would have recorded it.

JSON Lines, one record a line, in the order of sending; times in integer microseconds UTC, prices and amounts as the
venue's own text. What a fault withheld from the clients is in it: the venue did send it.
"""

from collections import Counter
from pathlib import Path
from typing import IO, Any

import msgspec

from sandbox.exchanges.market import TakerSide
from sandbox.exchanges.text import TextLevel

Record = dict[str, Any]


def trade_record(
    exchange: str, market: str, trade_id: int, timestamp: int, side: TakerSide, price: str, amount: str
) -> Record:
    """A trade. `side` is the taker's."""
    return {
        "type": "trade",
        "exchange": exchange,
        "market": market,
        "id": trade_id,
        "timestamp": timestamp,
        "side": side,
        "price": price,
        "amount": amount,
    }


def book_record(
    exchange: str,
    market: str,
    ids: tuple[int | None, int | None],
    timestamp: int,
    bids: list[TextLevel],
    asks: list[TextLevel],
) -> Record:
    """One whole book message. `ids` are its first and last update id, None where the venue has none."""
    first_id, last_id = ids
    return {
        "type": "book",
        "exchange": exchange,
        "market": market,
        "first_id": first_id,
        "last_id": last_id,
        "timestamp": timestamp,
        "bids": bids,
        "asks": asks,
    }


def quote_record(
    exchange: str, market: str, update_id: int | None, timestamp: int | None, bid: TextLevel, ask: TextLevel
) -> Record:
    """A best bid and ask. `update_id` and `timestamp` are None where the venue sends none."""
    return {
        "type": "quote",
        "exchange": exchange,
        "market": market,
        "id": update_id,
        "timestamp": timestamp,
        "bid_price": bid[0],
        "bid_amount": bid[1],
        "ask_price": ask[0],
        "ask_amount": ask[1],
    }


class Ledger:
    """Append-only records: in a file, or in memory when there is no path."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self._memory: list[Record] = []
        self._file: IO[bytes] | None = path.open("ab") if path else None
        self._encoder = msgspec.json.Encoder()

    def append(self, record: Record) -> None:
        """Write one record; it is on disk after the next `flush`."""
        self.counts[record["type"]] += 1
        if self._file is None:
            self._memory.append(record)
        else:
            self._file.write(self._encoder.encode(record) + b"\n")

    def flush(self) -> None:
        """Hand what was appended to the operating system."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Flush and close; reading stays possible."""
        if self._file is not None:
            self._file.close()

    def read(self, record_type: str | None = None, market: str | None = None) -> list[Record]:
        """The records so far, of one type and market if given."""
        if self.path is None:
            records = self._memory
        else:
            if self._file is not None and not self._file.closed:
                self._file.flush()
            records = [msgspec.json.decode(line) for line in self.path.read_bytes().splitlines()]
        return [
            record for record in records if record_type in (None, record["type"]) and market in (None, record["market"])
        ]
