"""What many venues' wire formats have in common: numbers kept as text, levels, times, pair names, compression."""

import re
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import NotUnderstood

MILLISECOND: Final = 1_000
"""Microseconds in one."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LARGEST: Final = 64 * 1024 * 1024
_NUMBER: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,2}))?")

QUOTE_ASSETS: Final = (
    "FDUSD", "BUSD", "TUSD", "USDC", "USDP", "USDS", "USDT", "USD1", "USDE", "IDRT", "BIDR", "BVND",
    "AED", "ARS", "AUD", "BNB", "BRL", "BTC", "CAD", "CHF", "COP", "CZK", "DAI", "DOT", "ETH", "EUR", "GBP", "IDR",
    "JPY", "KRW", "KZT", "MXN", "NGN", "PAX", "PLN", "RON", "RUB", "SGD", "SOL", "TRX", "TRY", "UAH", "USD", "VAI",
    "XRP", "ZAR", "DOGE",
)  # fmt: skip
"""Assets that others are quoted in, for venues whose symbols have no mark between base and quote."""


class TextLevel(Struct, array_like=True, gc=False):
    """A price level ``["price", "amount", …]`` whose numbers are text; what follows the two is left out."""

    price: str
    amount: str


class NumberLevel(Struct, array_like=True, gc=False):
    """A price level ``[price, amount, …]`` whose numbers are JSON numbers; what follows the two is left out."""

    price: Raw
    amount: Raw


def micros(text: str) -> int:
    """An ISO 8601 time with its zone, to integer microseconds (finer digits are cut off). Raises ValueError."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


def digits(number: Raw | str) -> str:
    """A number's plain decimal text, exactly as it was sent; only an exponent is written out.

    Takes a JSON number, or a string that holds one. Raises :class:`~booktape.exchanges.spec.NotUnderstood` for
    anything else.
    """
    text = number if isinstance(number, str) else bytes(number).decode().strip('"')
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise NotUnderstood("a price or quantity that is no decimal number")
    sign, whole, fraction, exponent = match.groups()
    return text if exponent is None else sign + _shifted(whole, fraction or "", int(exponent))


def _shifted(whole: str, fraction: str, by: int) -> str:
    """``whole.fraction`` with its point moved to the right by some places, or to the left by negative ones."""
    number = "0" * -by + whole + fraction + "0" * by
    point = len("0" * -by + whole) + by
    left, right = number[:point].lstrip("0") or "0", number[point:].rstrip("0")
    return f"{left}.{right}" if right else left


def levels_of(pairs: Iterable[tuple[str, str]]) -> Raw:
    """One side of a book as it is stored: ``[["price","amount"],…]``."""
    return Raw(json.encode(list(pairs)))


def text_levels(levels: list[TextLevel]) -> Raw:
    """Levels of text as they are stored."""
    return Raw(json.encode(levels))


def number_levels(levels: Iterable[NumberLevel]) -> Raw:
    """Levels of JSON numbers as they are stored: each number's text."""
    return levels_of((digits(level.price), digits(level.amount)) for level in levels)


def split_pair(symbol: str, quotes: tuple[str, ...] = QUOTE_ASSETS) -> str:
    """``BTCUSDT`` to ``BTC-USDT`` by the longest quote asset that it ends with; one with none stays what it is."""
    quote = max((quote for quote in quotes if symbol.endswith(quote) and symbol != quote), key=len, default="")
    return f"{symbol.removesuffix(quote)}-{quote}" if quote else symbol


def gunzip(frame: bytes) -> bytes:
    """A gzipped frame's text. Raises :class:`~booktape.exchanges.spec.NotUnderstood`."""
    stream = zlib.decompressobj(wbits=31)
    try:
        text = stream.decompress(frame, _LARGEST)
    except zlib.error as error:
        raise NotUnderstood("a frame that is not gzipped") from error
    if not stream.eof:
        raise NotUnderstood("a gzipped frame that is truncated or too large")
    return text
