"""The product list of Coinbase. Symbols and market names are the same.

Some products are only another name of a product's book (``alias``: BTC-USDC is traded as BTC-USD). They are left out: a
subscription to one gets frames of the other, which would be recorded twice, and the alias never.
"""

from msgspec import Struct, json

from booktape.exchanges.wire import instrument_status
from booktape.model.records import Instrument


class _Product(Struct):
    product_id: str
    base_currency_id: str
    quote_currency_id: str
    price_increment: str
    base_increment: str
    status: str
    product_type: str
    alias: str = ""


class _Products(Struct):
    products: list[_Product]


_products = json.Decoder(_Products)


def instruments(body: bytes, received: int) -> list[Instrument]:
    """Parse the answer of ``GET /api/v3/brokerage/market/products``."""
    return [
        Instrument(
            symbol=product.product_id,
            market=product.product_id,
            base=product.base_currency_id,
            quote=product.quote_currency_id,
            kind="spot",
            status=instrument_status(product.status, "online"),
            price_increment=product.price_increment,
            amount_increment=product.base_increment,
            local_timestamp=received,
        )
        for product in _products.decode(body).products
        if product.product_type == "SPOT" and not product.alias
    ]
