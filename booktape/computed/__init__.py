"""What is computed from recordings, purely: books at an instant, bars, quotes, liquidity, one book of many venues.

Iterables in, rows (named tuples) out, lazily; no floats. The names in capitals are the columns of each kind of row.
"""

from booktape.computed.bars import BAR_COLUMNS, Bar, tick_bars, time_bars, volume_bars
from booktape.computed.consolidated import ConsolidatedBook, Part, Route, VenueLevel, consolidate
from booktape.computed.liquidity import LIQUIDITY_COLUMNS, LiquidityRow, liquidity
from booktape.computed.tops import QUOTE_COLUMNS, QuoteRow, TopRow, book_snapshots, quotes, top_columns, top_values
from booktape.computed.view import BookView, Depth, PriceLevel, Slippage

__all__ = [
    "BAR_COLUMNS",
    "LIQUIDITY_COLUMNS",
    "QUOTE_COLUMNS",
    "Bar",
    "BookView",
    "ConsolidatedBook",
    "Depth",
    "LiquidityRow",
    "Part",
    "PriceLevel",
    "QuoteRow",
    "Route",
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
