"""Parses the query parameters of requests. Every fault is an :class:`InvalidQueryError` of one line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from booktape.model.errors import InvalidInputError
from booktape.model.records import BOOK_UPDATES, TRADES
from booktape.model.timestamps import parse_range, parse_timestamp
from booktape.serve.source import Gaps

MAX: Final = "max"
_SLOWEST: Final = 1e-6
_FASTEST: Final = 1e9
_GAPS: Final[tuple[Gaps, ...]] = ("mark", "raise")


class InvalidQueryError(InvalidInputError):
    """A query parameter is missing, unknown or has an invalid value."""


@dataclass(frozen=True, slots=True)
class ReplayQuery:
    """What to replay.

    :ivar markets: as ``exchange:MARKET``.
    :ivar start: the inclusive start (µs).
    :ivar end: the exclusive end (µs).
    :ivar speed: market seconds per real second; 0 sends events as fast as the client reads.
    """

    markets: tuple[str, ...]
    start: int
    end: int
    data_types: tuple[str, ...]
    gaps: Gaps
    speed: float


def parse_replay_query(query: Mapping[str, str]) -> ReplayQuery:
    """Parse ``markets``, ``from``, ``to``, ``data_types``, ``gaps`` and ``speed``."""
    reject_unknown_parameters(query, "markets", "from", "to", "data_types", "gaps", "speed")
    start, end = parse_range(require_parameter(query, "from"), require_parameter(query, "to"))
    markets = parse_list(require_parameter(query, "markets"))
    for market in markets:
        if not all(market.partition(":")):
            raise InvalidQueryError(f"markets: {market!r} is no market; write exchange:MARKET, as in binance:BTC-USDT")
    gaps = [known for known in _GAPS if known == query.get("gaps", "mark")]
    if not gaps:
        raise InvalidQueryError(f"gaps: {query['gaps']!r} is none of {', '.join(_GAPS)}")
    data_types = parse_list(query["data_types"]) if "data_types" in query else (TRADES, BOOK_UPDATES)
    return ReplayQuery(markets, start, end, data_types, gaps[0], parse_speed(query.get("speed", "1")))


def parse_speed(text: str) -> float:
    """Parse market seconds per real second; 0 for ``0`` and ``max``. Raises :class:`InvalidQueryError`."""
    try:
        number = 0.0 if text == MAX else float(text)
    except ValueError:
        number = -1.0
    if number != 0 and not _SLOWEST <= number <= _FASTEST:  # also true of NaN
        raise InvalidQueryError(
            f"speed: {text!r} is no speed; write market seconds per real second, as in 10, or {MAX}"
        )
    return number


def instant_parameter(query: Mapping[str, str]) -> int:
    """The parameter ``at``, in µs."""
    return parse_timestamp(require_parameter(query, "at"))


def integer_parameter(query: Mapping[str, str], name: str) -> int | None:
    """An optional whole number, 0 or more."""
    text = query.get(name)
    if text is not None and not (text.isdecimal() and len(text) <= 20):
        raise InvalidQueryError(f"{name}: {text!r} is no whole number")
    return int(text) if text is not None else None


def require_parameter(query: Mapping[str, str], name: str) -> str:
    """The value of a required parameter."""
    value = query.get(name)
    if not value:
        raise InvalidQueryError(f"the parameter {name!r} is missing")
    if not value.isprintable():
        raise InvalidQueryError(f"{name}: {value!r} is no text")
    return value


def reject_unknown_parameters(query: Mapping[str, str], *names: str) -> None:
    """Raise :class:`InvalidQueryError` for a parameter that is none of the names."""
    for name in query:
        if name not in names:
            raise InvalidQueryError(f"there is no parameter {name!r}; there are {', '.join(names)}")


def parse_list(text: str) -> tuple[str, ...]:
    """Split ``a,b`` into its parts, each once."""
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not parts:
        raise InvalidQueryError(f"{text!r} names nothing; expected a list such as binance:BTC-USDT,kraken:BTC-USD")
    return parts
