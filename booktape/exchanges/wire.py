"""What many venues' wire formats have in common: numbers kept as text, levels, times, pair names, compression."""

import re
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import parse_qsl, urlsplit

from msgspec import Raw, Struct, json

from booktape.core.records import TRADING, Instrument
from booktape.exchanges.spec import UnknownFrameError

MILLISECOND: Final = 1_000
"""Microseconds in one."""

Item = TypeVar("Item")

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

    Takes a JSON number, or a string that holds one. Raises :class:`~booktape.exchanges.spec.UnknownFrameError` for
    anything else.
    """
    text = number if isinstance(number, str) else bytes(number).decode().strip('"')
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise UnknownFrameError("a price or quantity that is no decimal number")
    sign, whole, fraction, exponent = match.groups()
    return text if exponent is None else sign + _shifted(whole, fraction or "", int(exponent))


def half(number: str) -> str:
    """Half of a number, exactly: ``11`` to ``5.5``."""
    whole, _, fraction = number.partition(".")
    return _shifted(str(5 * int(whole + fraction)), "", -1 - len(fraction))


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
    """A gzipped frame's text. Raises :class:`~booktape.exchanges.spec.UnknownFrameError`."""
    stream = zlib.decompressobj(wbits=31)
    try:
        text = stream.decompress(frame, _LARGEST)
    except zlib.error as error:
        raise UnknownFrameError("a frame that is not gzipped") from error
    if not stream.eof:
        raise UnknownFrameError("a gzipped frame that is truncated or too large")
    return text


ABSENT: Final = Raw(b"")
"""What a field for a JSON value holds when the message left it out."""


def told(number: Raw) -> str | None:
    """A JSON number's text as :func:`digits` gives it; None where the message left it out or said null."""
    return None if bytes(number) in (b"", b"null") else digits(number)


def signed(size: Raw | str) -> tuple[str, str]:
    """A size that is negative where the taker sold, to the taker's side and the amount."""
    text = digits(size)
    return ("sell", text[1:]) if text.startswith("-") else ("buy", text)


def decimal_millis(milliseconds: Raw | str) -> int:
    """Milliseconds with a fraction (``1606292218213.4578``, a number or a text) to µs; finer digits are cut off."""
    whole, _, fraction = digits(milliseconds).partition(".")
    return int(whole) * MILLISECOND + int(fraction[:3].ljust(3, "0"))


SIDES: Final = {"buy": "buy", "sell": "sell", "Buy": "buy", "Sell": "sell", "BUY": "buy", "SELL": "sell"}
"""A venue's word for a side to ours."""

OPPOSITE: Final = {word: "sell" if side == "buy" else "buy" for word, side in SIDES.items()}
"""A venue's word for a side to the other one: the maker's to the taker's, a position's to that of closing it."""


def best(bid: Raw, bid_amount: Raw, ask: Raw, ask_amount: Raw) -> tuple[str, str, str, str] | None:
    """A best bid and ask of JSON numbers, as text; None where one is null or left out, as in a book's empty side."""
    if any(bytes(number) in (b"", b"null") for number in (bid, bid_amount, ask, ask_amount)):
        return None
    return digits(bid), digits(bid_amount), digits(ask), digits(ask_amount)


def chunks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Items in their order, in lists of at most ``size``: what one message may hold."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def step(places: int) -> str:
    """The smallest step of a number with so many decimal places: ``2`` to ``0.01``, ``-2`` to ``100``."""
    return digits(f"1e{-places}")


def status_of(word: str, trading: str) -> str:
    """An instrument's status: ours where the venue's word is that for trading, else its word in small letters."""
    return TRADING if word == trading else word.lower()


def named_instrument(symbol: str, market: str, received: int) -> Instrument:
    """The instrument of a list that tells nothing but names: base, quote and kind are read off the market's."""
    pair = market.removesuffix("-PERP")
    base, _, quote = pair.partition("-")
    return Instrument(
        symbol=symbol,
        market=market,
        base=base,
        quote=quote,
        kind="spot" if pair == market else "perpetual",
        status=TRADING,
        local_timestamp=received,
    )


def millis(milliseconds: int | str | None) -> int | None:
    """Milliseconds, a number or its text, to µs; None where the venue told none: null, 0, "0" or ""."""
    return int(milliseconds or 0) * MILLISECOND or None


def path_and_query(url: str) -> tuple[str, dict[str, str]]:
    """What a REST answer was asked for by: the path of its URL, and the parameters."""
    parts = urlsplit(url)
    return parts.path, dict(parse_qsl(parts.query))
