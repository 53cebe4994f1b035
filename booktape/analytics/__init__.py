"""Analytics: pure functions over recorded trades and books. No I/O, no clock, no floats.

===========================  ===================================================================================
:func:`time_bars`            bars of a length of time; :func:`tick_bars` of a number of trades, :func:`volume_bars`
                             of a volume. They take trades and give :class:`Bar`
:func:`book_snapshots`       a book's best levels on a grid of times, or at each change: :class:`TopRow`
:func:`quotes`               the best bid and ask at each change: :class:`QuoteRow`
:class:`BookView`            a book at one instant: best prices, spread, :class:`Depth`, :class:`Slippage`
:func:`liquidity`            spread, depth and slippage of orders over many views: :class:`LiquidityRow`
:func:`consolidate`          one :class:`ConsolidatedBook` of several exchanges' views, which divides an order among
                             them: :class:`OrderRoute`
===========================  ===================================================================================

Functions over records take an iterable in the published order, with a :class:`~booktape.model.gap.Gap` before the first
record after each gap, as :class:`~booktape.Archive` gives it with ``gaps="mark"``. They give rows lazily: named tuples,
whose columns are the constants in capitals. Times are in µs since the epoch, UTC; ranges are half-open. Prices are the
exchange's text, sums are exact decimal text, and quotients have 28 significant digits. Invalid arguments raise an
:class:`~booktape.model.errors.InvalidInputError`.
"""

from booktape.analytics.bars import BAR_COLUMNS, Bar, tick_bars, time_bars, volume_bars
from booktape.analytics.book_view import BookView, Depth, PriceLevel, Slippage
from booktape.analytics.consolidated import ConsolidatedBook, OrderRoute, RoutePart, VenueLevel, consolidate
from booktape.analytics.liquidity import LIQUIDITY_COLUMNS, LiquidityRow, liquidity
from booktape.analytics.top_of_book import (
    QUOTE_COLUMNS,
    QuoteRow,
    TopRow,
    book_snapshots,
    quotes,
    top_columns,
    top_values,
)

__all__ = [
    "BAR_COLUMNS",
    "LIQUIDITY_COLUMNS",
    "QUOTE_COLUMNS",
    "Bar",
    "BookView",
    "ConsolidatedBook",
    "Depth",
    "LiquidityRow",
    "OrderRoute",
    "PriceLevel",
    "QuoteRow",
    "RoutePart",
    "Slippage",
    "TopRow",
    "VenueLevel",
    "book_snapshots",
    "consolidate",
    "liquidity",
    "quotes",
    "tick_bars",
    "time_bars",
    "top_columns",
    "top_values",
    "volume_bars",
]
