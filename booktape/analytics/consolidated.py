"""Consolidates several exchanges' books of one market, and divides an order among them at the least cost.

Only spot markets of the same base and quote are consolidated. US dollars and Tether are different currencies, and a
contract of one exchange is not that of another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import NamedTuple

from booktape.analytics.book_view import BUY, BookView, TradeSide, amount_wanted, in_numbers, require_side
from booktape.analytics.decimals import ZERO, add, decimal, divide, multiply, subtract
from booktape.model.errors import InvalidInputError

Fees = Mapping[str, Decimal | int | float | str]
"""Each venue's taker fee, as a share of the value: ``{"kraken": "0.0026"}``."""


class MarketMismatchError(InvalidInputError):
    """The books are not of the same thing at the same instant."""


class VenueLevel(NamedTuple):
    """One level of one venue's book."""

    price: Decimal
    amount: Decimal
    exchange: str


class RoutePart(NamedTuple):
    """What one venue gets of an order: ``price`` is the volume-weighted average, ``worst`` the limit to set.

    ``fee`` is in the quote currency.
    """

    exchange: str
    amount: Decimal
    price: Decimal
    worst: Decimal
    fee: Decimal


class OrderRoute(NamedTuple):
    """An order divided so that it costs least. ``filled`` is less than ``amount`` where the venues have less together.

    ``price`` is the volume-weighted average before fees, None where nothing is filled; ``fee`` is that of all parts.
    """

    side: TradeSide
    amount: Decimal
    filled: Decimal
    price: Decimal | None
    fee: Decimal
    parts: tuple[RoutePart, ...]


@dataclass(frozen=True, slots=True)
class ConsolidatedBook:
    """Several venues' books of one market at one instant (µs), levels of equal prices in the order of venues' names.

    Books of several exchanges may cross: then the spread is negative.

    :ivar exchanges: the venues whose books are in it.
    :ivar left_out: the venues whose books are not sound.
    """

    market: str
    at: int
    bids: tuple[VenueLevel, ...]
    asks: tuple[VenueLevel, ...]
    exchanges: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def best_bid(self) -> VenueLevel | None:
        """The highest bid of all venues; None where there is none."""
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> VenueLevel | None:
        """The lowest ask of all venues; None where there is none."""
        return self.asks[0] if self.asks else None

    @property
    def spread(self) -> Decimal | None:
        """Best ask minus best bid; None where a side is empty."""
        bid, ask = self.best_bid, self.best_ask
        return None if bid is None or ask is None else subtract(ask.price, bid.price)

    def route(self, side: TradeSide, amount: Decimal | float | str, fees: Fees | None = None) -> OrderRoute:
        """Which venue gets how much of a market order, best levels first, fees counted in.

        Venues that ``fees`` does not name take none. Raises :class:`~booktape.analytics.book_view.InvalidOrderError`.
        """
        require_side(side)
        wanted = amount_wanted(amount)
        rates = {exchange: decimal(rate) for exchange, rate in (fees or {}).items()}
        levels = self.asks if side == BUY else self.bids
        if rates:
            levels = tuple(sorted(levels, key=lambda level: _net(side, level, rates)))
        taken = _taken(levels, wanted)
        parts = tuple(_part(exchange, fills, rates.get(exchange, ZERO)) for exchange, fills in sorted(taken.items()))
        filled, paid = _sums(fill for fills in taken.values() for fill in fills)
        fee = reduce(add, (part.fee for part in parts), ZERO)
        return OrderRoute(side, wanted, filled, divide(paid, filled) if filled else None, fee, parts)


def _net(side: TradeSide, level: VenueLevel, rates: Mapping[str, Decimal]) -> Decimal:
    """What a level costs a buyer, or costs a seller (negative), with its venue's fee."""
    price = level.price if side == BUY else subtract(ZERO, level.price)
    return add(price, multiply(level.price, rates.get(level.exchange, ZERO)))


def _taken(levels: Iterable[VenueLevel], wanted: Decimal) -> dict[str, list[VenueLevel]]:
    """What an amount takes of the levels, in their order, by venue."""
    taken: dict[str, list[VenueLevel]] = {}
    left = wanted
    for level in levels:
        if left <= 0:
            break
        amount = min(left, level.amount)
        taken.setdefault(level.exchange, []).append(level._replace(amount=amount))
        left = subtract(left, amount)
    return taken


def _part(exchange: str, fills: list[VenueLevel], rate: Decimal) -> RoutePart:
    amount, paid = _sums(fills)
    return RoutePart(exchange, amount, divide(paid, amount), fills[-1].price, multiply(paid, rate))


def _sums(fills: Iterable[VenueLevel]) -> tuple[Decimal, Decimal]:
    """The amount, and its price times amount, of what was taken."""
    amount, paid = ZERO, ZERO
    for fill in fills:
        amount, paid = add(amount, fill.amount), add(paid, multiply(fill.price, fill.amount))
    return amount, paid


def consolidate(views: Iterable[BookView]) -> ConsolidatedBook:
    """Put venues' books of one market at one instant together.

    Books that are not sound are left out and named. Raises :class:`MarketMismatchError` for markets of other names, for
    derivatives, for two books of one venue, and for books at different instants.
    """
    books = sorted(views, key=lambda view: view.exchange)
    _require_same(books)
    sound = [view for view in books if view.sound]
    bids = [VenueLevel(*level, view.exchange) for view in sound for level in in_numbers(view.bids)]
    asks = [VenueLevel(*level, view.exchange) for view in sound for level in in_numbers(view.asks)]
    return ConsolidatedBook(
        market=books[0].market,
        at=books[0].at,
        bids=tuple(sorted(bids, key=lambda level: level.price, reverse=True)),
        asks=tuple(sorted(asks, key=lambda level: level.price)),
        exchanges=tuple(view.exchange for view in sound),
        left_out=tuple(view.exchange for view in books if not view.sound),
    )


def _require_same(books: list[BookView]) -> None:
    if not books:
        raise MarketMismatchError("there is no book to put together: give at least one")
    first = books[0]
    for view in books:
        if view.market != first.market:
            raise MarketMismatchError(
                f"{first.exchange}:{first.market} and {view.exchange}:{view.market} are not the same market: "
                "put books of one base and one quote together"
            )
        if view.at != first.at:
            raise MarketMismatchError(
                f"the books of {first.exchange} and {view.exchange} are of different instants, {first.at} and {view.at}"
            )
    if first.market.count("-") != 1:
        raise MarketMismatchError(
            f"{first.market} is a derivative, whose contracts each venue sizes by itself: put spot markets together"
        )
    if len({view.exchange for view in books}) < len(books):
        raise MarketMismatchError(f"there are two books of one venue for {first.market}: give each venue's once")
