"""Helpers for what many wire formats have in common: decimal text, price levels, times, symbols, compression."""

import re
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import parse_qsl, urlsplit

from msgspec import Raw, Struct, json

from booktape.exchanges.spec import UnknownFrameError
from booktape.model.records import TRADING, Instrument

MILLISECOND: Final = 1_000
"""Microseconds in a millisecond."""

NANOSECONDS: Final = 1_000
"""Nanoseconds in a microsecond."""

ABSENT: Final = Raw(b"")
"""The default of a field with a JSON value: its value if the message leaves the field out."""

EMPTY_SIDE: Final = Raw(b"[]")
"""A side of a book message without levels."""

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
"""Common quote assets, for venues whose symbols have no separator between base and quote."""

SIDES: Final = {"buy": "buy", "sell": "sell", "Buy": "buy", "Sell": "sell", "BUY": "buy", "SELL": "sell"}
"""Maps a venue's word for a side to ours."""

OPPOSITE: Final = {word: "sell" if side == "buy" else "buy" for word, side in SIDES.items()}
"""Maps a venue's word for a side to the other side: from the maker's to the taker's, or from a position's side to that
of the order that closes it."""


# Decimal text


def decimal_text(number: Raw | str) -> str:
    """The plain decimal text of a number, exactly as the venue sent it; only an exponent is written out.

    :param number: a JSON number, or a string that holds one.
    :raises UnknownFrameError: it is neither.
    """
    text = number if isinstance(number, str) else bytes(number).decode().strip('"')
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise UnknownFrameError("a price or quantity that is no decimal number")
    sign, whole, fraction, exponent = match.groups()
    return text if exponent is None else sign + _shifted(whole, fraction or "", int(exponent))


def optional_decimal_text(number: Raw) -> str | None:
    """The text of a JSON number as :func:`decimal_text` returns it; None if it is null or :data:`ABSENT`."""
    return None if bytes(number) in (b"", b"null") else decimal_text(number)


def half(number: str) -> str:
    """Exactly half of a decimal number: ``11`` to ``5.5``."""
    whole, _, fraction = number.partition(".")
    return _shifted(str(5 * int(whole + fraction)), "", -1 - len(fraction))


def increment(places: int) -> str:
    """The smallest increment of a number with this many decimal places: ``2`` to ``0.01``, ``-2`` to ``100``."""
    return decimal_text(f"1e{-places}")


def side_and_amount(size: Raw | str) -> tuple[str, str]:
    """Split a signed size into the taker's side and the amount; a negative size is a sell."""
    text = decimal_text(size)
    return ("sell", text[1:]) if text.startswith("-") else ("buy", text)


def _shifted(whole: str, fraction: str, by: int) -> str:
    """``whole.fraction`` with its point moved to the right by ``by`` places, or to the left if ``by`` is negative."""
    number = "0" * -by + whole + fraction + "0" * by
    point = len("0" * -by + whole) + by
    left, right = number[:point].lstrip("0") or "0", number[point:].rstrip("0")
    return f"{left}.{right}" if right else left


# Price levels and quotes


class TextLevel(Struct, array_like=True, gc=False):
    """A price level ``["price", "amount", …]`` whose numbers are strings. Further elements are ignored."""

    price: str
    amount: str


class NumberLevel(Struct, array_like=True, gc=False):
    """A price level ``[price, amount, …]`` whose numbers are JSON numbers. Further elements are ignored."""

    price: Raw
    amount: Raw


def encode_levels(pairs: Iterable[tuple[str, str]]) -> Raw:
    """One side of a book in the stored form: ``[["price","amount"],…]``."""
    return Raw(json.encode(list(pairs)))


def text_levels(levels: list[TextLevel]) -> Raw:
    """Levels of strings in the stored form."""
    return Raw(json.encode(levels))


def number_levels(levels: Iterable[NumberLevel]) -> Raw:
    """Levels of JSON numbers in the stored form, which keeps the text of each number."""
    return encode_levels((decimal_text(level.price), decimal_text(level.amount)) for level in levels)


def best_quote(bid: Raw, bid_amount: Raw, ask: Raw, ask_amount: Raw) -> tuple[str, str, str, str] | None:
    """The text of a best bid and ask in JSON numbers.

    None if one of the numbers is null or absent, which means that a side of the book is empty.
    """
    if any(bytes(number) in (b"", b"null") for number in (bid, bid_amount, ask, ask_amount)):
        return None
    return decimal_text(bid), decimal_text(bid_amount), decimal_text(ask), decimal_text(ask_amount)


# Times, in integer microseconds UTC


def iso_to_micros(text: str) -> int:
    """Convert an ISO 8601 time with its zone to µs. Finer digits are cut off.

    :raises ValueError: the text is no such time.
    """
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


def millis_to_micros(milliseconds: int | str | None) -> int | None:
    """Convert milliseconds, as a number or its text, to µs. None where there is no time: null, 0, "0" or ""."""
    return int(milliseconds or 0) * MILLISECOND or None


def decimal_millis_to_micros(milliseconds: Raw | str) -> int:
    """Convert milliseconds with a fraction (``1606292218213.4578``, number or text) to µs. Finer digits are cut off."""
    return _scaled(decimal_text(milliseconds), 3)


def decimal_seconds_to_micros(seconds: Raw | str) -> int:
    """Convert seconds with a fraction (``1606292218.213457``, number or text) to µs. Finer digits are cut off."""
    return _scaled(decimal_text(seconds), 6)


def _scaled(number: str, places: int) -> int:
    whole, _, fraction = number.partition(".")
    return int(whole + fraction[:places].ljust(places, "0"))


# Symbols and instruments


def split_pair(symbol: str, quotes: tuple[str, ...] = QUOTE_ASSETS) -> str:
    """Split ``BTCUSDT`` into ``BTC-USDT`` before the longest quote asset it ends with; without one it is unchanged."""
    quote = max((quote for quote in quotes if symbol.endswith(quote) and symbol != quote), key=len, default="")
    return f"{symbol.removesuffix(quote)}-{quote}" if quote else symbol


def instrument_status(word: str, trading: str) -> str:
    """An instrument's status: :data:`TRADING` if the venue's word is ``trading``, else the word in lower case."""
    return TRADING if word == trading else word.lower()


def instrument_from_name(symbol: str, market: str, received: int) -> Instrument:
    """An instrument of a list that only holds names: base, quote and kind are taken from the market name."""
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


# Requests, URLs and compression


def chunks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Split items, in their order, into lists of at most ``size``: what one message may hold."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def op_messages(op: str, arguments: Sequence[object], size: int) -> list[bytes]:
    """Messages ``{"op": …, "args": […]}``, by which several venues subscribe and unsubscribe.

    :param size: the most arguments in one message.
    """
    return [json.encode({"op": op, "args": part}) for part in chunks(arguments, size)]


def path_and_query(url: str) -> tuple[str, dict[str, str]]:
    """The path of a URL and its query parameters."""
    parts = urlsplit(url)
    return parts.path, dict(parse_qsl(parts.query))


def gunzip(frame: bytes) -> bytes:
    """Decompress a gzipped frame.

    :raises UnknownFrameError: it is not gzipped, truncated, or larger than 64 MiB.
    """
    stream = zlib.decompressobj(wbits=31)
    try:
        text = stream.decompress(frame, _LARGEST)
    except zlib.error as error:
        raise UnknownFrameError("a frame that is not gzipped") from error
    if not stream.eof:
        raise UnknownFrameError("a gzipped frame that is truncated or too large")
    return text
