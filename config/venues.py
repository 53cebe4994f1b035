"""The venues of ``venues.yaml``: which markets of which exchanges are recorded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from booktape.exchanges import UnknownExchangeError, exchange
from config import files

DEFAULT: Final = Path(__file__).with_name("venues.yaml")


@dataclass(frozen=True, slots=True)
class Venue:
    """What is recorded of one exchange. ``name`` is the exchange's id.

    ``snapshot_seconds`` is how often the order books are fetched over REST, where the exchange declares that. The URLs
    replace those that the exchange declares.
    """

    name: str
    markets: tuple[str, ...]
    snapshot_seconds: float = 3600
    rest_url: str | None = None
    websocket_url: str | None = None


def load_venues(path: Path | None = None) -> dict[str, Venue]:
    """Every venue by its exchange's id. Raises :class:`~config.files.InvalidConfigurationError`."""
    path = path or DEFAULT
    venues = files.load(path, Venue)
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
        return "markets", "a market is there twice"
    if venue.snapshot_seconds <= 0:
        return "snapshot_seconds", f"{venue.snapshot_seconds} is not more than 0"
    return None
