"""What a simulated venue lists: for each market its decimals and a starting price.

The decimals are those of the real venues in 2026 (Binance `exchangeInfo`, Coinbase `products`, Kraken `AssetPairs`).
A market whose base asset is not listed here gets a venue's usual decimals and a price of 10.
"""

from dataclasses import dataclass
from decimal import Decimal

STARTING_PRICE = {
    "BTC": "61837.63",
    "ETH": "2684.41",
    "SOL": "148.37",
    "XRP": "0.6124",
    "ADA": "0.3471",
    "DOGE": "0.10415",
    "LTC": "61.22",
}

# base asset → (price decimals, amount decimals)
DECIMALS = {
    "binance": {
        "BTC": (2, 5),
        "ETH": (2, 4),
        "SOL": (2, 3),
        "XRP": (4, 1),
        "ADA": (4, 1),
        "DOGE": (5, 0),
        "LTC": (2, 3),
    },
    "coinbase": {
        "BTC": (2, 8),
        "ETH": (2, 8),
        "SOL": (2, 8),
        "XRP": (4, 6),
        "ADA": (4, 8),
        "DOGE": (5, 1),
        "LTC": (2, 8),
    },
    "kraken": {
        "BTC": (1, 8),
        "ETH": (2, 8),
        "SOL": (2, 8),
        "XRP": (5, 8),
        "ADA": (6, 8),
        "DOGE": (7, 8),
        "LTC": (2, 8),
    },
}
USUAL_DECIMALS = {"binance": (4, 2), "coinbase": (4, 4), "kraken": (4, 8)}


@dataclass(frozen=True, slots=True)
class MarketSpec:
    """One market. Prices count in ticks of 10^-price_decimals, amounts in ticks of 10^-amount_decimals.

    `price` is the starting price in ticks. A side opens with `levels` price levels and settles above half as many.
    """

    name: str
    price_decimals: int
    amount_decimals: int
    price: int
    levels: int = 500

    @property
    def base(self) -> str:
        """The asset that is traded: `BTC` of `BTC-USDT`."""
        return self.name.partition("-")[0]

    @property
    def quote(self) -> str:
        """The asset that prices are in: `USDT` of `BTC-USDT`."""
        return self.name.partition("-")[2]


def market_spec(exchange: str, name: str, levels: int = 500) -> MarketSpec:
    """The market `name` (`BTC-USDT`) as `exchange` lists it, with `levels` price levels a side.

    Raises ValueError for a name that is not BASE-QUOTE, KeyError for an unknown exchange.
    """
    base, separator, quote = name.partition("-")
    if not (separator and base and quote):
        raise ValueError(f"a market is named BASE-QUOTE, not {name!r}")
    price_decimals, amount_decimals = DECIMALS[exchange].get(base, USUAL_DECIMALS[exchange])
    price = int(Decimal(STARTING_PRICE.get(base, "10")).scaleb(price_decimals))
    return MarketSpec(name, price_decimals, amount_decimals, price, levels)
