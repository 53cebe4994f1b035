"""The merge of a whole day of trades, 2 x 1,440 objects of which each system misses 3 %, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, process_time
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec import json

from booktape.exchanges import exchange
from booktape.integrity.certificate import PublishedFile
from booktape.integrity.certify import certify_day
from booktape.merge import Engine, Merge, open_engine
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import DAY, MINUTE, SECOND, TRADES, Trade
from booktape.store.layout import batch_key
from booktape.store.objects import Store, open_store

TRADES_OF_THE_DAY: Final = 775_418
"""Trades of Binance's BTC-USDT on 2019-10-25, the example day of the documentation."""

NIGHT: Final = date(2019, 10, 25)
START: Final = int(datetime(NIGHT.year, NIGHT.month, NIGHT.day, tzinfo=UTC).timestamp()) * SECOND
EXCHANGE: Final = "binance"
MARKET: Final = "BTC-USDT"
_EACH_MISSING: Final = 33
_SYSTEMS: Final = ("primary", "replica")


@dataclass(frozen=True, slots=True)
class Night:
    """What one merge took, maybe with its certificate: processor and wall time in seconds, the most memory in MiB."""

    trades: int
    objects: int
    cpu_seconds: float
    wall_seconds: float
    peak_mebibytes: float


class WrongMergeError(AssertionError):
    """The merge did not give every trade exactly once: there is nothing to measure."""


def generate(directory: Path, trades: int = TRADES_OF_THE_DAY) -> None:
    """Write both systems' objects of the day. Each misses every 33rd trade, but not the same ones."""
    stores = [open_store(str(directory / system)) for system in _SYSTEMS]
    for minute in _minutes(trades):
        for number, store in enumerate(stores):
            _put(store, [trade for trade in minute if _number(trade) % _EACH_MISSING != number])


def _minutes(trades: int) -> Iterator[list[Trade]]:
    random = Random(20191025)
    minutes = DAY // MINUTE
    for minute in range(minutes):
        numbers = range(trades * minute // minutes, trades * (minute + 1) // minutes)
        yield [
            Trade(
                number,
                time := START + DAY * number // trades // 1000 * 1000,
                random.choice(("buy", "sell")),
                f"{random.randrange(7_400_00, 8_800_00) / 100:.2f}000000",
                f"{random.randrange(1, 2_00000000) / 1e8:.8f}",
                time + random.randrange(1_000, 50_000),
            )
            for number in numbers
        ]


def _number(trade: Trade) -> int:
    return int(trade.id)


def _put(store: Store, trades: list[Trade]) -> None:
    if trades:
        first, last = _number(trades[0]), _number(trades[-1])
        minute = trades[0].timestamp // MINUTE * MINUTE
        batch = Batch(TRADES, MARKET, minute, first, last, len(trades), codec.encode_records(trades))
        store.create(str(batch_key(batch, EXCHANGE)), codec.compress(batch.lines))


def merge(directory: Path, token: str, *, with_certificate: bool = False) -> Night:
    """Merge the day in this process, which should do nothing else, and optionally certify it."""
    primary, replica, results = ((directory / name).as_uri() for name in (*_SYSTEMS, "results"))
    engine = open_engine("duckdb", primary=primary, replica=replica, results=results)
    wall, cpu = perf_counter(), process_time()
    result = engine.poll(engine.start(Merge(EXCHANGE, TRADES, NIGHT), token))
    seen = _certify(engine) if with_certificate else None
    wall, cpu = perf_counter() - wall, process_time() - cpu
    assert result is not None
    with Path(unquote(urlsplit(result.url).path)).open() as lines:
        rows = sum(1 for _ in lines) - 1
    if seen not in (None, rows):
        raise WrongMergeError(f"a certificate of {seen} trades for {rows} rows")
    objects = sum(1 for system in _SYSTEMS for _ in (directory / system).rglob("*.json.gz"))
    return Night(rows, objects, cpu, wall, peak_mebibytes())


def _certify(engine: Engine) -> int:
    """Certify the day. Returns how many ids are present. The file itself is not compared."""
    day = Merge(EXCHANGE, TRADES, NIGHT)
    file = PublishedFile(rows=0, bytes=0, sha256="0" * 64)
    certified = certify_day(engine.systems, day, exchange(EXCHANGE).channel(TRADES), "bench", file, {})
    return certified.certificate.totals.present or 0


def peak_mebibytes() -> float:
    """The peak memory of this process in MiB, from Linux, because getrusage would include the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no peak of memory (VmHWM)")


def measured(directory: Path, token: str, trades: int = TRADES_OF_THE_DAY, *, with_certificate: bool = False) -> Night:
    """One merge of the generated day in a new process. Raises :class:`WrongMergeError`."""
    command = [
        sys.executable,
        "-m",
        "bench.night",
        str(directory),
        token,
        *(["certificate"] if with_certificate else []),
    ]
    night = json.decode(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout, type=Night)
    if night.trades != trades:
        raise WrongMergeError(f"{night.trades} rows instead of {trades}")
    return night


def median_of(nights: list[Night]) -> Night:
    """The medians of several merges of the same day; of memory the most."""
    return Night(
        nights[0].trades,
        nights[0].objects,
        median(night.cpu_seconds for night in nights),
        median(night.wall_seconds for night in nights),
        max(night.peak_mebibytes for night in nights),
    )


if __name__ == "__main__":
    print(json.encode(merge(Path(sys.argv[1]), sys.argv[2], with_certificate=len(sys.argv) > 3)).decode())
