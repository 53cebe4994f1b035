"""Reads the venues of ``venues.yaml``: which markets of which exchanges are recorded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from booktape.exchanges import UnknownExchangeError, exchange
from config import files

DEFAULT_VENUES: Final = Path(__file__).with_name("venues.yaml")


@dataclass(frozen=True, slots=True)
class Venue:
    """What is recorded of one exchange.

    :param name: the exchange's id.
    :param markets: names and patterns.
    :param snapshot_seconds: the interval at which order books are fetched over REST, if the exchange serves them.
    :param rest_url: used instead of the exchange's own URL, as is ``websocket_url``.
    """

    name: str
    markets: tuple[str, ...]
    snapshot_seconds: float = 3600
    rest_url: str | None = None
    websocket_url: str | None = None


def load_venues(path: Path | None = None) -> dict[str, Venue]:
    """All venues by exchange id. Raises :class:`~config.files.InvalidConfigurationError`."""
    path = path or DEFAULT_VENUES
    venues = files.load_yaml(path, Venue)
    for venue in venues.values():
        fault = _fault(venue)
        if fault is not None:
            line = files.line_of(path, [venue.name, fault[0]])
            raise files.InvalidConfigurationError(
                f"{path}, line {line}: {'.'.join((venue.name, fault[0]))}: {fault[1]}"
            )
    return venues


def _fault(venue: Venue) -> tuple[str, str] | None:
    try:
        exchange(venue.name)
    except UnknownExchangeError as error:
        return "name", str(error)
    if len(set(venue.markets)) != len(venue.markets):
        return "markets", "a market is listed twice"
    if venue.snapshot_seconds <= 0:
        return "snapshot_seconds", f"{venue.snapshot_seconds} is not more than 0"
    return None
