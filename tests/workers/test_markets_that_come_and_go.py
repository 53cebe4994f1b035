"""Which markets a worker records as the venue's list changes: one wrong list must not end what is recorded."""

from collections.abc import Iterable
from typing import Any

from booktape.capture.subscriptions import WHOLE
from booktape.exchanges import exchange
from booktape.model.records import TRADING, Instrument
from workers.instrument_watcher import InstrumentWatcher

KRAKEN = exchange("kraken")


class Links:
    """Remembers what it was told to record."""

    def __init__(self) -> None:
        self.symbols: set[str] = set()

    def record(self, symbols: Iterable[str]) -> None:
        self.symbols |= set(symbols)

    def forget(self, symbols: Iterable[str]) -> None:
        self.symbols -= set(symbols)


class Log:
    """Remembers the events that were told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def info(self, event: str, **told: Any) -> None:
        self.events.append(event)

    warning = error = info


def listed(*symbols: str, status: str = TRADING) -> list[Instrument]:
    return [
        Instrument(
            symbol=symbol,
            market=symbol.replace("/", "-"),
            base="X",
            quote="USD",
            kind="spot",
            status=status,
            local_timestamp=0,
        )
        for symbol in symbols
    ]


def following(*names: str) -> tuple[InstrumentWatcher, Links, Log]:
    links, log = Links(), Log()
    made = InstrumentWatcher(
        KRAKEN,
        names,
        WHOLE,
        links,  # type: ignore[arg-type]  # as far as it is used
        log,
        seconds=300,
        redis_url=None,
        rest_url=None,
    )
    return made, links, log


def test_what_is_listed_is_recorded_and_what_three_lists_leave_out_is_let_go() -> None:
    found, links, _ = following("*-USD")
    found._follow(listed("A/USD", "B/USD", "A/EUR"))
    assert links.symbols == {"A/USD", "B/USD"}
    for _ in range(2):
        found._follow(listed("B/USD", "C/USD"))
        assert links.symbols == {"A/USD", "B/USD", "C/USD"}
    found._follow(listed("B/USD", "C/USD"))
    assert links.symbols == {"B/USD", "C/USD"}


def test_a_market_that_comes_back_in_time_is_counted_anew() -> None:
    found, links, _ = following("all")
    lists = [("A/USD", "B/USD"), ("B/USD",), ("B/USD",), ("A/USD", "B/USD"), ("B/USD",), ("B/USD",)]
    for symbols in lists:
        found._follow(listed(*symbols))
    assert links.symbols == {"A/USD", "B/USD"}


def test_a_list_in_which_nothing_trades_ends_nothing_however_often_it_comes() -> None:
    found, links, log = following("all")
    found._follow(listed("A/USD", "B/USD"))
    for _ in range(5):
        found._follow(listed("A/USD", "B/USD", status="maintenance"))
    assert links.symbols == {"A/USD", "B/USD"}
    assert log.events.count("no_market_matches") == 5


def test_named_markets_stay_whatever_is_listed() -> None:
    found, links, _ = following("Z-USD", "*-EUR")
    found._set({"Z/USD"})
    for _ in range(4):
        found._follow(listed("A/EUR"))
    assert links.symbols == {"Z/USD", "A/EUR"}
