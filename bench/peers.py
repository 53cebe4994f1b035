"""cryptofeed's Binance handler with a callback that does nothing: ``pip install cryptofeed`` in .venv to measure it."""

import asyncio
from decimal import Decimal
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from bench.ways import Work

_MARKET: Final = "BTC-USDT"
_SYMBOL: Final = "BTCUSDT"
_BOOK_LEVELS: Final = 5_000


def cryptofeed_version() -> str | None:
    """The installed version, None where there is none."""
    try:
        return version("cryptofeed")
    except PackageNotFoundError:
        return None


def cryptofeed(frames: list[bytes], directory: Path) -> Work:
    """From text frames to callbacks. It keeps a book of Decimals, seeded as its snapshot of 5,000 levels would."""
    texts = [frame.decode() for frame in frames]
    handler = _handler()

    async def feed() -> None:
        for text in texts:
            await handler.message_handler(text, None, 0.0)

    return lambda: asyncio.run(feed())


def _handler() -> Any:
    defines = import_module("cryptofeed.defines")
    exchange = import_module("cryptofeed.exchanges").Binance
    # Known symbols, so that it requests none from a server.
    import_module("cryptofeed.symbols").Symbols.set(exchange.id, {_MARKET: _SYMBOL}, {})

    async def ignore(record: object, received: float) -> None:
        pass

    kinds = (defines.TRADES, defines.L2_BOOK)
    handler = exchange(symbols=[_MARKET], channels=list(kinds), callbacks=dict.fromkeys(kinds, ignore))
    bids, asks = (
        {Decimal(6_183_763 + sign * tick) / 100: Decimal(1) for tick in range(1, _BOOK_LEVELS + 1)} for sign in (-1, 1)
    )
    handler._l2_book[_MARKET] = import_module("cryptofeed.types").OrderBook(exchange.id, _MARKET, bids=bids, asks=asks)
    handler.last_update_id[_MARKET] = 50_093_239_188
    return handler
