"""One book of several venues: what may be put together, and who gets how much of an order."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktape.analytics.book_view import BookView, InvalidOrderError
from booktape.analytics.consolidated import MarketMismatchError, RoutePart, VenueLevel, consolidate
from tests.analytics.made import side, view

BINANCE = view(side("99 1", "98 5"), side("101 1", "102 5"))
KRAKEN = view(side("99.5 0.5", "98 1"), side("101 2", "101.5 1"), exchange="kraken")
BOTH = consolidate([KRAKEN, BINANCE])


def level(price: str, amount: str, exchange: str) -> VenueLevel:
    return VenueLevel(Decimal(price), Decimal(amount), exchange)


def test_levels_of_all_venues_best_first_each_with_its_venue() -> None:
    assert BOTH.bids == (
        level("99.5", "0.5", "kraken"),
        level("99", "1", "binance"),
        level("98", "5", "binance"),
        level("98", "1", "kraken"),
    )
    assert BOTH.asks == (
        level("101", "1", "binance"),
        level("101", "2", "kraken"),
        level("101.5", "1", "kraken"),
        level("102", "5", "binance"),
    )
    assert (BOTH.exchanges, BOTH.left_out, BOTH.spread) == (("binance", "kraken"), (), Decimal("1.5"))


def test_an_order_goes_to_the_best_levels() -> None:
    """Binance 1 at 101; Kraken 2 at 101 and 1 at 101.5; Binance 1 at 102."""
    route = BOTH.route("buy", 5)
    assert route.parts == (
        RoutePart("binance", Decimal(2), Decimal("101.5"), Decimal(102), Decimal(0)),
        RoutePart("kraken", Decimal(3), Decimal("101.1666666666666666666666667"), Decimal("101.5"), Decimal(0)),
    )
    assert (route.filled, route.price, route.fee) == (Decimal(5), Decimal("101.3"), Decimal(0))


def test_fees_are_counted_in() -> None:
    """At one per cent more, Binance's 102 is cheaper than Kraken's 101.5, and 101 of Kraken costs 102.01."""
    route = BOTH.route("buy", "2", {"kraken": "0.01"})
    assert route.parts == (RoutePart("binance", Decimal(2), Decimal("101.5"), Decimal(102), Decimal(0)),)
    sold = BOTH.route("sell", "1", {"kraken": "0.001"})
    assert [(part.exchange, part.amount, part.fee) for part in sold.parts] == [
        ("binance", Decimal("0.5"), Decimal(0)),
        ("kraken", Decimal("0.5"), Decimal("0.04975")),
    ]
    assert sold.fee == Decimal("0.04975")
    far = BOTH.route("sell", "1", {"kraken": "0.01"})
    assert [part.exchange for part in far.parts] == ["binance"]


def test_an_order_that_is_larger_than_all_books_is_told_as_partly_filled() -> None:
    route = BOTH.route("sell", 100)
    assert (route.amount, route.filled) == (Decimal(100), Decimal("7.5"))


def test_an_order_of_nothing_has_no_parts() -> None:
    route = BOTH.route("buy", 0)
    assert (route.parts, route.price, route.filled) == ((), None, Decimal(0))
    assert consolidate([view([], [])]).route("buy", 1).parts == ()


def test_orders_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidOrderError, match="no side"):
        BOTH.route("up", 1)  # type: ignore[arg-type]  # that is the test
    with pytest.raises(InvalidOrderError, match="0 or more"):
        BOTH.route("buy", -1)


def test_a_venue_whose_book_is_not_sound_is_left_out_and_named() -> None:
    broken = view(side("100 9"), side("100.1 9"), exchange="okx", sound=False)
    found = consolidate([broken, KRAKEN])
    assert (found.exchanges, found.left_out) == (("kraken",), ("okx",))
    assert found.best_bid == level("99.5", "0.5", "kraken")
    nothing = consolidate([broken])
    assert (nothing.best_bid, nothing.best_ask, nothing.spread) == (None, None, None)


@pytest.mark.parametrize("market", ["BTC-USD", "BTC-USDC", "ETH-USDT", "BTC-USDT-PERP"])
def test_another_market_is_never_folded_in(market: str) -> None:
    """Above all, USD is not USDT."""
    with pytest.raises(MarketMismatchError, match="are not the same market"):
        consolidate([BINANCE, view(side("99 1"), side("101 1"), exchange="kraken", market=market)])


def test_derivatives_are_refused_because_their_contracts_differ() -> None:
    swaps = [view([], [], exchange=name, market="BTC-USDT-PERP") for name in ("okx", "binance-futures")]
    with pytest.raises(MarketMismatchError, match="derivative"):
        consolidate(swaps)


def test_books_of_different_instants_two_of_one_venue_and_none_are_refused() -> None:
    with pytest.raises(MarketMismatchError, match="different instants"):
        consolidate([BINANCE, view([], [], exchange="kraken", seconds=1)])
    with pytest.raises(MarketMismatchError, match="two books of one venue"):
        consolidate([BINANCE, BINANCE])
    with pytest.raises(MarketMismatchError, match="no book"):
        consolidate([])


prices = st.lists(st.integers(1, 1000), max_size=6, unique=True)
books = st.lists(st.tuples(prices, prices), min_size=1, max_size=4)


def views(found: list[tuple[list[int], list[int]]]) -> list[BookView]:
    return [
        view(
            [(str(price), "1") for price in sorted(bids, reverse=True)],
            [(str(price), "1") for price in sorted(asks)],
            exchange=f"venue-{number}",
        )
        for number, (bids, asks) in enumerate(found)
    ]


@given(books)
def test_the_best_is_the_best_of_the_venues(found: list[tuple[list[int], list[int]]]) -> None:
    together = consolidate(views(found))
    bids = [price for bids, _ in found for price in bids]
    asks = [price for _, asks in found for price in asks]
    assert (None if together.best_bid is None else together.best_bid.price) == max(bids, default=None)
    assert (None if together.best_ask is None else together.best_ask.price) == min(asks, default=None)


@given(books, st.integers(1, 12))
def test_no_single_venue_fills_an_order_for_less(found: list[tuple[list[int], list[int]]], amount: int) -> None:
    together = consolidate(views(found)).route("buy", amount)
    assert sum(part.amount for part in together.parts) == together.filled
    for alone in (book.slippage("buy", amount) for book in views(found)):
        assert alone.filled <= together.filled
        if alone.is_whole:
            assert together.price is not None
            assert alone.price is not None
            assert together.price <= alone.price
