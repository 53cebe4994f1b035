"""The rows of the matrix: which fault happens when. Times are seconds after noon of the market's clock."""

from dataclasses import dataclass, field
from typing import Any, Final

from booktape.model.records import BOOK_UPDATES, TRADES

PRIMARY: Final = "primary"
REPLICA: Final = "replica"

A: Final = "primary-a"
B: Final = "primary-b"
R: Final = "replica-a"
WORKERS: Final = {A: PRIMARY, B: PRIMARY, R: REPLICA}
"""The workers of every row, and their systems. Each system has a route of its own to the venue."""

LISTED: Final = "SOL"
"""The base of the market that is listed in the middle of the day."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the venue, as ``POST /_sandbox/faults`` takes it."""

    at: float
    order: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL of some workers at once."""

    at: float
    workers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """Workers start, as a supervisor would restart them."""

    at: float
    workers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class List:
    """The venue lists another market."""

    at: float


Step = Fault | Kill | Start | List


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the matrix.

    ``interrupts``: intervals may be declared between the first step and the full recovery; without it, none may be
    declared between the first and the last record. ``forgets``: workers are killed together with their open uptime
    segments, so ``unknown`` may reach back to their start. ``costs``: the data types that must lose records at Binance,
    or else the row proves nothing; without any, only what the venue ``skips`` may be missing.

    ``unseen``: connections stay up, so streams without numbers may lose messages unnoticed.

    ``late`` workers are started by a step only. ``clocks``: the errors of the workers' clocks in seconds. ``heals``:
    backfill over REST. The row ``goes_on`` for so many seconds after the recovery, and workers need up to ``settles``
    seconds more to accept what has happened.
    """

    name: str
    says: str
    steps: tuple[Step, ...] = ()
    interrupts: bool = False
    forgets: bool = False
    skips: bool = False
    costs: tuple[str, ...] = ()
    may_cost: bool = False
    unseen: bool = False
    late: tuple[str, ...] = ()
    clocks: dict[str, float] = field(default_factory=dict)
    heals: bool = True
    all_markets: bool = False
    goes_on: float = 3
    settles: float = 0

    @property
    def ends(self) -> float:
        """The time of the last step."""
        return max((step.at for step in self.steps), default=0.0)


def _cut(at: float, *routes: str, seconds: float = 3.0) -> tuple[Fault, ...]:
    """Connections are dropped and refused for a while."""
    refuse = tuple(Fault(at, {"fault": "refuse", "route": route, "seconds": seconds}) for route in routes)
    return (*refuse, *(Fault(at, {"fault": "drop", "route": route}) for route in routes))


def _everywhere(at: float, fault: str, **more: Any) -> tuple[Fault, ...]:
    return (Fault(at, {"fault": fault, **more}),)


_ALL: Final = (A, B, R)
_BOTH: Final = (PRIMARY, REPLICA)

ROWS: Final = (
    Row("quiet", "nothing"),
    Row("kill-one", "SIGKILL of one instance of the primary", (Kill(2, (A,)), Start(2.5, (A,)))),
    Row("kill-both", "SIGKILL of both instances of the primary; the replica is complete", (Kill(2, (A, B)),)),
    Row(
        "kill-all",
        "SIGKILL of every instance of both systems, started again; backfill off",
        (Kill(2, _ALL), Start(2.5, _ALL)),
        interrupts=True,
        forgets=True,
        costs=(TRADES, BOOK_UPDATES),
        heals=False,
    ),
    Row(
        "kill-all-healed",
        "the same, backfill on",
        (Kill(2, _ALL), Start(2.5, _ALL)),
        interrupts=True,
        forgets=True,
        costs=(BOOK_UPDATES,),
    ),
    Row("cut-primary", "the primary cut off for 3 s; the replica is complete", _cut(2, PRIMARY)),
    Row(
        "cut-both",
        "both systems cut off for 3 s; backfill off",
        _cut(2, *_BOTH),
        interrupts=True,
        costs=(TRADES, BOOK_UPDATES),
        heals=False,
    ),
    Row(
        "cut-both-healed",
        "the same, backfill on",
        _cut(2, *_BOTH),
        interrupts=True,
        costs=(BOOK_UPDATES,),
    ),
    Row(
        "cut-in-turn",
        "the primary cut off, then the replica, overlapping for 1.5 s; backfill off",
        (*_cut(2, PRIMARY), *_cut(3.5, REPLICA)),
        interrupts=True,
        costs=(TRADES, BOOK_UPDATES),
        heals=False,
    ),
    Row(
        "lost",
        "twelve messages lost on every route, connections staying up; backfill off",
        _everywhere(2, "withhold", stream="*", count=12),
        interrupts=True,
        unseen=True,
        costs=(TRADES,),
        heals=False,
    ),
    Row("duplicated", "200 messages twice, on every route", _everywhere(2, "duplicate", stream="*", count=200)),
    Row(
        "reordered",
        "messages change places with the next of their stream, on every route; backfill off",
        _everywhere(2, "reorder", stream="*", count=20),
        interrupts=True,
        may_cost=True,
        unseen=True,
        heals=False,
    ),
    Row("delayed", "all frames of every route are delayed by 2 s", _everywhere(2, "delay", seconds=2.0)),
    Row(
        "skipped",
        "the venue skips 3 trade ids and 5 update ids",
        _everywhere(2, "skip_ids"),
        skips=True,
    ),
    Row("clocks", "the clocks of the two systems, and of the primary's instances, 2 s apart", clocks={B: 2.0, R: 2.0}),
    Row(
        "clocks-cut",
        "the same clocks, and both systems cut off for 3 s; backfill off",
        _cut(2, *_BOTH),
        interrupts=True,
        costs=(TRADES, BOOK_UPDATES),
        clocks={B: 2.0, R: 2.0},
        heals=False,
    ),
    Row("mid-minute", "one instance starts in the middle of a minute", (Start(3, (B,)),), late=(B,)),
    Row("listed", "a market is listed in the middle of the day", (List(2),), all_markets=True),
    Row(
        "reset",
        "the venue restarts: connections are cut, ids are reset (without engine times, accepted after 60 s)",
        (*_cut(2, *_BOTH, seconds=1.5), *_everywhere(2.5, "reset_ids")),
        interrupts=True,
        may_cost=True,
        goes_on=66,
        settles=61,
    ),
)


def rows(names: list[str]) -> list[Row]:
    """Rows by name; all rows where no name is given. Raises KeyError."""
    by_name = {row.name: row for row in ROWS}
    return [by_name[name] for name in names] if names else list(ROWS)
