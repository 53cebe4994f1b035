"""Which markets a worker records as the venue's list changes: one wrong list must not end what is recorded."""

from collections.abc import Iterable
from typing import Any

from booktape.capture.subscriptions import WHOLE
from booktape.exchanges import exchange
from booktape.model.records import TRADING, Instrument
from workers.instrument_watcher import InstrumentWatcher

KRAKEN = exchange("kraken")


class Recorded:
    """Remembers what it was told to record."""

    def __init__(self) -> None:
        self.symbols: set[str] = set()

    def add(self, symbols: Iterable[str]) -> None:
        self.symbols |= set(symbols)

    def remove(self, symbols: Iterable[str]) -> None:
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


def following(*names: str) -> tuple[InstrumentWatcher, Recorded, Log]:
    connections, log = Recorded(), Log()
    made = InstrumentWatcher(
        KRAKEN,
        names,
        WHOLE,
        connections,  # type: ignore[arg-type]  # as far as it is used
        log,
        seconds=300,
        redis_url=None,
        rest_url=None,
    )
    return made, connections, log


def test_what_is_listed_is_recorded_and_what_three_lists_leave_out_is_let_go() -> None:
    watcher, connections, _ = following("*-USD")
    watcher._apply(listed("A/USD", "B/USD", "A/EUR"))
    assert connections.symbols == {"A/USD", "B/USD"}
    for _ in range(2):
        watcher._apply(listed("B/USD", "C/USD"))
        assert connections.symbols == {"A/USD", "B/USD", "C/USD"}
    watcher._apply(listed("B/USD", "C/USD"))
    assert connections.symbols == {"B/USD", "C/USD"}


def test_a_market_that_comes_back_in_time_is_counted_anew() -> None:
    watcher, connections, _ = following("all")
    lists = [("A/USD", "B/USD"), ("B/USD",), ("B/USD",), ("A/USD", "B/USD"), ("B/USD",), ("B/USD",)]
    for symbols in lists:
        watcher._apply(listed(*symbols))
    assert connections.symbols == {"A/USD", "B/USD"}


def test_a_list_in_which_nothing_trades_ends_nothing_however_often_it_comes() -> None:
    watcher, connections, log = following("all")
    watcher._apply(listed("A/USD", "B/USD"))
    for _ in range(5):
        watcher._apply(listed("A/USD", "B/USD", status="maintenance"))
    assert connections.symbols == {"A/USD", "B/USD"}
    assert log.events.count("no_market_matches") == 5


def test_named_markets_stay_whatever_is_listed() -> None:
    watcher, connections, _ = following("Z-USD", "*-EUR")
    watcher._set({"Z/USD"})
    for _ in range(4):
        watcher._apply(listed("A/EUR"))
    assert connections.symbols == {"Z/USD", "A/EUR"}
