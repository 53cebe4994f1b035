"""Which of a venue's markets are recorded: names, globs, or all of them. Pure."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from booktape.model.records import TRADING, Instrument

ALL: Final = "all"


def is_pattern(name: str) -> bool:
    """Whether a name stands for markets that are looked up in the venue's list of instruments."""
    return name == ALL or any(mark in name for mark in "*?[")


def literal_names(names: Iterable[str]) -> list[str]:
    """The names that are markets themselves."""
    return [name for name in names if not is_pattern(name)]


def matching_markets(
    names: Sequence[str], instruments: Iterable[Instrument], *, every_status: bool = False
) -> list[Instrument]:
    """The instruments that one of the names, globs or ``all`` stands for, and that can be traded now, as listed."""
    return [
        instrument
        for instrument in instruments
        if (every_status or instrument.status == TRADING) and is_selected(instrument.market, names)
    ]


def is_selected(market: str, names: Iterable[str]) -> bool:
    """Whether one of the names, globs or ``all`` stands for a market."""
    return any(name == ALL or fnmatchcase(market, name) for name in names)
