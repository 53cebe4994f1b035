"""What is computed from recordings, purely: books at an instant, bars, quotes, liquidity, one book of many venues.

Iterables in, rows (named tuples) out, lazily; no floats. The names in capitals are the columns of each kind of row.
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
