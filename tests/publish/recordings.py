"""Small recordings to publish, written as a collector writes them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import DAY as A_DAY
from booktape.model.records import MINUTE, SECOND, TRADES, Trade
from booktape.store.layout import batch_key
from booktape.store.objects import Store

DAY = date(2024, 8, 9)
MIDNIGHT = int(datetime(2024, 8, 9, tzinfo=UTC).timestamp()) * SECOND


def trade(number: int, *, minute: int = 0) -> Trade:
    """The ``number``-th trade of a market, a second after the one before."""
    time = MIDNIGHT + minute * MINUTE + number * SECOND
    return Trade(number, time, "buy" if number % 2 else "sell", f"{60_000 + number}.10", "0.5", time + 1_000)


def store_trades(store: Store, numbers: Iterable[int], *, exchange: str = "binance", market: str = "BTC-USDT") -> None:
    """Store one batch of trades with these ids."""
    records = [trade(number) for number in numbers]
    lines = codec.encode_records(records)
    batch = Batch(TRADES, market, MIDNIGHT, records[0].id, records[-1].id, len(records), lines)  # type: ignore[arg-type]
    store.create(str(batch_key(batch, exchange)), codec.compress(batch.lines))


def store_at(store: Store, day: int, numbers: Sequence[int], market: str = "ETH-USDT") -> None:
    """Store trades at noon of a day counted from the one that is published."""
    noon = MIDNIGHT + day * A_DAY + A_DAY // 2
    trades = [Trade(number, noon + number, "buy", "10", "1", noon + number) for number in numbers]
    batch = Batch(TRADES, market, noon, numbers[0], numbers[-1], len(numbers), codec.encode_records(trades))
    store.create(str(batch_key(batch, "binance")), codec.compress(batch.lines))
