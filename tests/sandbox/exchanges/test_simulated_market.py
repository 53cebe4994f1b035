"""The market model: plausible, seeded, and bookkeeping that a client can follow."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.exchanges.book import BookSide, OrderBook
from sandbox.exchanges.market import BookChange, Event, Market, Quote, Trade
from sandbox.exchanges.specs import MarketSpec, market_spec

SEEDS = st.integers(0, 10**9)
SPECS = st.builds(
    MarketSpec,
    name=st.just("BTC-USDT"),
    price_decimals=st.integers(0, 4),
    amount_decimals=st.integers(0, 8),
    price=st.integers(1, 10**7),
    levels=st.integers(2, 60),
)


def run(market: Market, steps: int = 200) -> list[Event]:
    return [event for number in range(steps) for event in market.step(1_000 * number)]


def copy_of(book: OrderBook) -> OrderBook:
    copy = OrderBook()
    copy.apply(book.bids.levels(), book.asks.levels())
    return copy


def test_a_side_lists_its_levels_best_first() -> None:
    bids, asks = BookSide(descending=True), BookSide(descending=False)
    for side in (bids, asks):
        for price, amount in ((100, 5), (102, 7), (101, 6), (103, 0)):
            side.set(price, amount)
    assert bids.levels() == [(102, 7), (101, 6), (100, 5)]
    assert asks.levels(2) == [(100, 5), (101, 6)]
    assert bids.levels(0) == []
    assert bids.best() == (102, 7)


def test_amount_zero_removes_a_level_and_removing_it_again_does_nothing() -> None:
    side = BookSide(descending=False)
    side.set(100, 5)
    side.set(100, 0)
    side.set(100, 0)
    assert side.levels() == []


@settings(deadline=None, max_examples=40)
@given(spec=SPECS, seed=SEEDS)
def test_the_book_never_crosses_and_never_runs_empty(spec: MarketSpec, seed: int) -> None:
    market = Market(spec, seed)
    for number in range(200):
        market.step(number)
        assert not market.book.is_crossed()
        assert market.book.bids.best()[1] > 0
        assert market.book.asks.best()[1] > 0


@settings(deadline=None, max_examples=40)
@given(spec=SPECS, seed=SEEDS)
def test_ids_are_contiguous_and_one_update_id_is_one_changed_level(spec: MarketSpec, seed: int) -> None:
    market = Market(spec, seed)
    next_trade, next_update = market.last_trade_id + 1, market.last_update_id + 1
    for event in run(market):
        if isinstance(event, Trade):
            assert event.id == next_trade
            next_trade += 1
        elif isinstance(event, BookChange):
            assert event.first_id == next_update
            assert event.last_id - event.first_id + 1 == len(event.bids) + len(event.asks)
            next_update = event.last_id + 1


@settings(deadline=None, max_examples=40)
@given(spec=SPECS, seed=SEEDS)
def test_changes_replayed_on_a_snapshot_give_the_models_book(spec: MarketSpec, seed: int) -> None:
    market = Market(spec, seed)
    replica = copy_of(market.book)
    for event in run(market):
        if isinstance(event, BookChange):
            replica.apply(event.bids, event.asks)
    assert replica == market.book


@settings(deadline=None, max_examples=40)
@given(spec=SPECS, seed=SEEDS)
def test_a_taker_trades_at_the_best_levels_in_order(spec: MarketSpec, seed: int) -> None:
    market = Market(spec, seed)
    before = copy_of(market.book)
    for number in range(200):
        events = market.step(number)
        trades = [event for event in events if isinstance(event, Trade)]
        if trades:
            side = before.asks if trades[0].taker_side == "buy" else before.bids
            assert [trade.price for trade in trades] == [price for price, _ in side.levels(len(trades))]
            assert all(0 < trade.amount <= side.amounts[trade.price] for trade in trades)
        before = copy_of(market.book)


@settings(deadline=None, max_examples=20)
@given(spec=SPECS, seed=SEEDS)
def test_a_quote_says_the_best_levels_after_each_change_of_them(spec: MarketSpec, seed: int) -> None:
    market = Market(spec, seed)
    best = market.book.bids.best(), market.book.asks.best()
    for number in range(200):
        quotes = [event for event in market.step(number) if isinstance(event, Quote)]
        now = market.book.bids.best(), market.book.asks.best()
        assert [(quote.bid, quote.ask) for quote in quotes] == ([now] if now != best else [])
        best = now


@given(seed=SEEDS)
@settings(deadline=None, max_examples=10)
def test_the_same_seed_gives_the_same_market(seed: int) -> None:
    spec = market_spec("binance", "BTC-USDT")
    assert run(Market(spec, seed), 50) == run(Market(spec, seed), 50)


def test_markets_of_one_seed_differ_from_each_other() -> None:
    btc, eth = (run(Market(market_spec("kraken", name), 7), 5) for name in ("BTC-USD", "ETH-USD"))
    assert btc != eth


def test_trades_can_be_looked_up_by_id() -> None:
    market = Market(market_spec("binance", "BTC-USDT"), 1)
    trades = [event for event in run(market) if isinstance(event, Trade)]
    assert market.trades_from(trades[3].id, 2) == trades[3:5]
    assert market.trades_from(trades[-1].id + 1, 10) == []
    assert market.trades_from(0, 3) == trades[:3]
    assert market.recent_trades(2) == trades[-2:]
