"""What Kraken is told to end a subscription, and what HTX is not asked for."""

from msgspec import json

from booktape.exchanges import exchange
from booktape.exchanges.spec import Subscription


def test_kraken_is_told_no_snapshot_when_a_subscription_ends() -> None:
    kraken = exchange("kraken")
    assert kraken.unsubscribe is not None
    book, trade = kraken.unsubscribe([Subscription("book", "BTC/USD"), Subscription("trade", "BTC/USD")])
    assert json.decode(book) == {
        "method": "unsubscribe",
        "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 1000},
    }
    assert json.decode(trade) == {"method": "unsubscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"]}}


def test_htx_is_not_asked_for_the_funding_of_a_dated_future() -> None:
    swap = exchange("htx-linear-swap")
    wanted = [Subscription("funding_rate", symbol) for symbol in ("BTC-USDT", "BTC-USDT-220318")]
    (message,) = swap.subscribe(wanted)
    assert json.decode(message)["topic"] == "public.BTC-USDT.funding_rate"
    assert len(swap.subscribe([Subscription("bbo", "BTC-USDT-220318")])) == 1
