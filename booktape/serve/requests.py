"""What a request asks for, out of its query. Whatever is wrong with it is one line (:class:`InvalidQueryError`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from booktape.model.errors import BooktapeError
from booktape.model.records import BOOK_UPDATES, TRADES
from booktape.model.timestamps import parse_range, parse_timestamp
from booktape.serve.source import Gaps

MAX: Final = "max"
_SLOWEST: Final = 1e-6
_FASTEST: Final = 1e9
_GAPS: Final[tuple[Gaps, ...]] = ("mark", "raise")


class InvalidQueryError(BooktapeError):
    """A request that makes no sense."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """What is to be replayed. Times in µs, half-open; ``markets`` as ``exchange:MARKET``; ``speed`` 0 is no pace."""

    markets: tuple[str, ...]
    start: int
    end: int
    data_types: tuple[str, ...]
    gaps: Gaps
    speed: float


def time_range(query: Mapping[str, str]) -> TimeRange:
    """``markets``, ``from``, ``to``, ``data_types``, ``gaps`` and ``speed``."""
    only(query, "markets", "from", "to", "data_types", "gaps", "speed")
    start, end = parse_range(required(query, "from"), required(query, "to"))
    markets = split_list(required(query, "markets"))
    for market in markets:
        if not all(market.partition(":")):
            raise InvalidQueryError(f"markets: {market!r} is no market; write exchange:MARKET, as in binance:BTC-USDT")
    gaps = [known for known in _GAPS if known == query.get("gaps", "mark")]
    if not gaps:
        raise InvalidQueryError(f"gaps: {query['gaps']!r} is none of {', '.join(_GAPS)}")
    data_types = split_list(query["data_types"]) if "data_types" in query else (TRADES, BOOK_UPDATES)
    return TimeRange(markets, start, end, data_types, gaps[0], speed(query.get("speed", "1")))


def speed(text: str) -> float:
    """Market seconds per real second; 0 for ``0`` and ``max``. Raises :class:`InvalidQueryError`."""
    try:
        number = 0.0 if text == MAX else float(text)
    except ValueError:
        number = -1.0
    if number != 0 and not _SLOWEST <= number <= _FASTEST:  # also what is no number
        raise InvalidQueryError(f"speed: {text!r} is no speed; write how often as fast as it was, as in 10, or {MAX}")
    return number


def at(query: Mapping[str, str]) -> int:
    """The parameter ``at``, in µs."""
    return parse_timestamp(required(query, "at"))


def number(query: Mapping[str, str], name: str) -> int | None:
    """A whole number that may be left out."""
    text = query.get(name)
    if text is not None and not (text.isdecimal() and len(text) <= 20):
        raise InvalidQueryError(f"{name}: {text!r} is no whole number")
    return int(text) if text is not None else None


def required(query: Mapping[str, str], name: str) -> str:
    """A parameter that must be there."""
    value = query.get(name)
    if not value:
        raise InvalidQueryError(f"the parameter {name!r} is missing")
    if not value.isprintable():
        raise InvalidQueryError(f"{name}: {value!r} is no text")
    return value


def only(query: Mapping[str, str], *names: str) -> None:
    """Refuse parameters that nobody would read."""
    for name in query:
        if name not in names:
            raise InvalidQueryError(f"there is no parameter {name!r}; there are {', '.join(names)}")


def split_list(text: str) -> tuple[str, ...]:
    """``a,b`` to its parts."""
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not parts:
        raise InvalidQueryError(f"{text!r} names nothing; expected a list such as binance:BTC-USDT,kraken:BTC-USD")
    return parts
