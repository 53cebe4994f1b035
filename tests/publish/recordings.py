"""Small recordings to publish, written as a collector writes them."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from booktape.core import codec
from booktape.core.records import MINUTE, SECOND, TRADES, Trade
from booktape.core.streams import Batch, key_of
from booktape.storage import Store

DAY = date(2024, 8, 9)
MIDNIGHT = int(datetime(2024, 8, 9, tzinfo=UTC).timestamp()) * SECOND


def trade(number: int, *, minute: int = 0) -> Trade:
    """The ``number``-th trade of a market, a second after the one before."""
    time = MIDNIGHT + minute * MINUTE + number * SECOND
    return Trade(number, time, "buy" if number % 2 else "sell", f"{60_000 + number}.10", "0.5", time + 1_000)


def store_trades(store: Store, numbers: Iterable[int], *, exchange: str = "binance", market: str = "BTC-USDT") -> None:
    """Store one batch of trades with these ids."""
    records = [trade(number) for number in numbers]
    lines = codec.encode(records)
    batch = Batch(TRADES, market, MIDNIGHT, records[0].id, records[-1].id, len(records), lines)  # type: ignore[arg-type]
    store.create(str(key_of(batch, exchange)), codec.compress(batch.lines))
