"""Every key and prefix of every object that Booktape stores, in one place. Pure: text in, text out.

==================  ====================================================================================  ============
Object              Key                                                                                   Store
==================  ====================================================================================  ============
batch               ``{data_type}/exchange={x}/pair={m}/year=…/month=…/day=…/{HHMM}_{first}-{last}_…``     primary,
                                                                                                          replica
backfilled batch    the same, below ``rest/``                                                             primary
uptime log segment  ``ledger/exchange={x}/year=…/month=…/day=…/{HHMMSS}_{instance}_{digest}.json.gz``      primary,
                                                                                                          replica
raw frames          ``raw/exchange={x}/year=…/month=…/day=…/{HHMMSS}_{instance}_{run}_{connection}_…``     primary,
                                                                                                          replica
backfill quota      ``healing/exchange={x}/{day}/{night}/{id}.json``                                      primary
run manifest        ``runs/{source}/{day}/{number:04d}/{name}.json``                                      primary
active run          ``unfinished/{source}/{day}/{number:04d}``                                            primary
certificate         ``certificates/{source}/{day}/{number:04d}.json``                                     primary
analytics result    ``merged/{source}/{day}/{number:04d}.csv``                                            primary
merge result        ``{query}.csv``, ``{query}.parquet``; Athena: ``parquet/{fingerprint}/``              results
published files     ``published/{source}/{YYYY}/{MM}/{DD}/{source}_{day}_run{n}.…``                        publication
Tardis market file  ``{exchange}/{data_type}/{YYYY}/{MM}/{DD}/{SYMBOL}.csv.gz``, by a run: in ``markets/``  publication
Hive market file    ``{data_type}/exchange={x}/symbol={m}/date={day}/part.parquet``                       any
==================  ====================================================================================  ============

A spool on the local disk holds the same keys as the store that it stands in for.

Keys of batches, segments and raw frames say what is inside, so that two collectors that saw the same thing write the
same key. The types of their parts (:class:`BatchKey`, :class:`SegmentKey`, :class:`RawKey`) therefore live here with
their text form, and so does :class:`Run`, whose three parts name everything that a publication writes. Prefixes end in
a slash.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Final, NamedTuple

from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.csv import PUBLISHED
from booktape.model.errors import DataError
from booktape.model.records import INSTRUMENTS, SECOND

PARTITIONS: Final = ("exchange", "pair", "year", "month", "day")
"""The partition columns of batches, all of them text: ``month`` and ``day`` have two digits."""

EVERY_MARKET: Final = "ALL"
"""Stands for the market in the key of an object that holds all instruments of an exchange."""

BACKFILLED: Final = "rest"
"""The folder of a primary's storage that holds the batches which were fetched afterwards."""

DONE: Final = "done"
"""The name of the manifest object that a finished run has."""

PARQUET: Final = "parquet"
"""The name of the manifest object of a run that published Parquet files."""

UPTIME_LOG: Final = "ledger"
RAW: Final = "raw"
MARKET_FILES: Final = "markets"
"""The folder of the publication store that holds the market files of published days."""

_EXCHANGE: Final = r"exchange=(?P<exchange>[a-z0-9-]+)"
_DATE: Final = r"year=(?P<year>\d{4})/month=(?P<month>\d{2})/day=(?P<day>\d{2})"
_BATCH: Final = re.compile(
    rf"(?P<data_type>[a-z_]+)/{_EXCHANGE}/pair=(?P<market>[^/]+)/{_DATE}"
    r"/(?P<clock>\d{4})_(?P<first>\d+)-(?P<last>\d+)_(?P<digest>[0-9a-f]+)\.json\.gz"
)
_SEGMENT: Final = re.compile(
    rf"{UPTIME_LOG}/{_EXCHANGE}/{_DATE}/(?P<clock>\d{{6}})_(?P<instance>[^/]+)_(?P<digest>[0-9a-f]{{16}})\.json\.gz"
)
_RAW_FRAMES: Final = re.compile(
    rf"{RAW}/{_EXCHANGE}/{_DATE}"
    r"/(?P<clock>\d{6})_(?P<instance>[^/]+)_(?P<run>\d+)_(?P<connection>\d+-\d+)_(?P<number>\d+)\.jsonl\.gz"
)

_PUBLISHED_CSV: Final = re.compile(
    r"published/(?P<source>[^/]+)/\d{4}/\d{2}/\d{2}/(?P=source)_(?P<day>\d{4}-\d{2}-\d{2})_run(?P<number>\d+)\.csv"
)

_RUNS: Final = "runs/"
_ACTIVE_RUNS: Final = "unfinished/"
_PUBLISHED: Final = "published/"
_QUOTAS: Final = "healing/"
_JSON: Final = ".json"
_CSV: Final = ".csv"
_PARQUET: Final = ".parquet"


class InvalidKeyError(DataError, ValueError):
    """A text is not the key of a Booktape object."""


def escape_part(text: str) -> str:
    """A text as one part of a path: ``-`` replaces ``/`` and ``:``, as in the file names of Tardis's clients."""
    return text.replace(":", "-").replace("/", "-")


def partition_folder(column: str, value: str) -> str:
    """``pair=BTC-USDT/``: the folder of one value of a partition column."""
    return f"{column}={value}/"


def partition_values(folders: Iterable[str], column: str) -> list[str]:
    """The values of a partition column, by the names of its folders (``pair=BTC-USDT``); other folders are left out."""
    prefix = f"{column}="
    return [name.removeprefix(prefix) for name in folders if name.startswith(prefix)]


def _date_folders(day: date) -> str:
    return f"year={day:%Y}/month={day:%m}/day={day:%d}/"


def _start(text: str, part: dict[str, str], clock: str) -> int:
    """The time (µs) that a key's partitions and clock name. Raises :class:`InvalidKeyError`."""
    try:
        start = datetime.strptime("{year}{month}{day}{clock}+0000".format(**part), f"%Y%m%d{clock}%z")
    except ValueError as error:
        raise InvalidKeyError(f"{text!r} has no such time: {error}") from error
    return int(start.timestamp()) * SECOND


# Batches


@dataclass(frozen=True, slots=True)
class BatchKey:
    """The parts of a batch's key.

    ``minute`` is the start of the batch's minute in µs. ``first`` and ``last`` are the sequence ids of its first and
    last record, or their times in µs where the exchange has no ids.
    """

    data_type: str
    exchange: str
    market: str
    minute: int
    first: int
    last: int
    digest: str

    def __str__(self) -> str:
        clock = datetime.fromtimestamp(self.minute // SECOND, UTC)
        return (
            f"{day_prefix(self.data_type, self.exchange, self.market, clock.date())}"
            f"{clock:%H%M}_{self.first}-{self.last}_{self.digest}.json.gz"
        )


def batch_key(batch: Batch, exchange: str) -> BatchKey:
    """The key of a batch. Computes a digest of the whole content: do not call it on the event loop."""
    return BatchKey(
        batch.data_type,
        exchange,
        batch.market,
        batch.minute,
        batch.first,
        batch.last,
        codec.digest(batch.lines),
    )


def parse_batch_key(text: str) -> BatchKey:
    """The parts of a key; the opposite of ``str(key)``. Raises :class:`InvalidKeyError`."""
    match = _BATCH.fullmatch(text)
    if match is None:
        raise InvalidKeyError(f"{text!r} is not the key of a batch: expected {{data_type}}/exchange=…/pair=…/year=…/…")
    part = match.groupdict()
    return BatchKey(
        part["data_type"],
        part["exchange"],
        part["market"],
        _start(text, part, "%H%M"),
        int(part["first"]),
        int(part["last"]),
        part["digest"],
    )


def data_type_prefix(data_type: str) -> str:
    """The prefix of all batches of a stored data type."""
    return f"{data_type}/"


def exchange_prefix(data_type: str, exchange: str) -> str:
    """The prefix of all batches of one exchange."""
    return f"{data_type_prefix(data_type)}{partition_folder('exchange', exchange)}"


def market_prefix(data_type: str, exchange: str, market: str) -> str:
    """The prefix of all batches of one market."""
    return f"{exchange_prefix(data_type, exchange)}{partition_folder('pair', market)}"


def month_prefix(data_type: str, exchange: str, market: str, day: date) -> str:
    """The prefix of one market's batches of the month that a day lies in."""
    return f"{market_prefix(data_type, exchange, market)}year={day:%Y}/month={day:%m}/"


def day_prefix(data_type: str, exchange: str, market: str, day: date) -> str:
    """The prefix of one market's batches of one day."""
    return f"{market_prefix(data_type, exchange, market)}{_date_folders(day)}"


def instruments_prefix(exchange: str) -> str:
    """The prefix of the lists of an exchange's instruments."""
    return market_prefix(INSTRUMENTS, exchange, EVERY_MARKET)


def market_of(key: str) -> str:
    """The market that a batch's key names. The rest of the key is not checked."""
    return key.split("/", 3)[2].removeprefix("pair=")


def backfill_url(storage: str) -> str:
    """The URL of the store of backfilled batches, by the URL of the primary's storage."""
    return f"{storage.rstrip('/')}/{BACKFILLED}"


def quota_prefix(exchange: str, day: date, night: str) -> str:
    """The prefix of the objects in which the backfills of one night account for their requests to an exchange.

    :param night: names the night; any text.
    """
    return f"{_QUOTAS}{partition_folder('exchange', exchange)}{day}/{sha256(night.encode()).hexdigest()[:16]}/"


# The uptime log


@dataclass(frozen=True, slots=True)
class SegmentKey:
    """The parts of the key of an uptime log's segment. ``start`` in µs, of which the key keeps the whole seconds."""

    exchange: str
    instance: str
    start: int
    digest: str

    def __str__(self) -> str:
        if not self.instance or "/" in self.instance:
            raise InvalidKeyError(f"{self.instance!r} cannot be part of a key: an instance has a name without slashes")
        clock = datetime.fromtimestamp(self.start // SECOND, UTC)
        return f"{uptime_log_prefix(self.exchange, clock.date())}{clock:%H%M%S}_{self.instance}_{self.digest}.json.gz"


def parse_segment_key(text: str) -> SegmentKey:
    """The parts of a key; the opposite of ``str(key)``. Raises :class:`InvalidKeyError`."""
    match = _SEGMENT.fullmatch(text)
    if match is None:
        raise InvalidKeyError(
            f"{text!r} is not the key of an uptime log's segment: expected {UPTIME_LOG}/exchange=…/year=…/…"
        )
    part = match.groupdict()
    return SegmentKey(part["exchange"], part["instance"], _start(text, part, "%H%M%S"), part["digest"])


def is_in_uptime_log(key: str) -> bool:
    """Whether a key is one of an uptime log."""
    return key.startswith(f"{UPTIME_LOG}/")


def uptime_log_prefix(exchange: str, day: date) -> str:
    """The prefix of the segments of one exchange that begin on one day."""
    return f"{UPTIME_LOG}/{partition_folder('exchange', exchange)}{_date_folders(day)}"


# Raw frames


@dataclass(frozen=True, slots=True, order=True)
class RawKey:
    """The parts of the key of an object with raw frames. ``start`` and ``run`` in µs, the first a whole second."""

    run: int
    instance: str
    connection: str
    number: int
    start: int
    exchange: str

    def __str__(self) -> str:
        clock = datetime.fromtimestamp(self.start // SECOND, UTC)
        return (
            f"{raw_day_prefix(self.exchange, clock.date())}"
            f"{clock:%H%M%S}_{self.instance}_{self.run}_{self.connection}_{self.number:06}.jsonl.gz"
        )

    @property
    def link(self) -> int:
        """The number of the worker's link that the connection belongs to."""
        return int(self.connection.partition("-")[0])


def parse_raw_key(text: str) -> RawKey:
    """The parts of a key; the opposite of ``str(key)``. Raises :class:`InvalidKeyError`."""
    match = _RAW_FRAMES.fullmatch(text)
    if match is None:
        raise InvalidKeyError(f"{text!r} is not the key of raw frames")
    part = match.groupdict()
    start = _start(text, part, "%H%M%S")
    return RawKey(int(part["run"]), part["instance"], part["connection"], int(part["number"]), start, part["exchange"])


def raw_prefix(exchange: str) -> str:
    """The prefix of all raw frames of an exchange."""
    return f"{RAW}/{partition_folder('exchange', exchange)}"


def raw_day_prefix(exchange: str, day: date) -> str:
    """The prefix of the raw frames of an exchange whose objects begin on one day."""
    return f"{raw_prefix(exchange)}{_date_folders(day)}"


# Runs


@dataclass(frozen=True, slots=True)
class Run:
    """One publication of one source's day. The nightly run is number 1; each republication takes the next number."""

    source: str
    day: date
    number: int

    @property
    def prefix(self) -> str:
        """The prefix of the run's manifest."""
        return f"{runs_prefix(self.source, self.day)}{self.number:04d}/"

    def __str__(self) -> str:
        return f"{self.source} {self.day} run {self.number}"


class ManifestKey(NamedTuple):
    """The parts of the key of a manifest object."""

    run: Run
    name: str

    def __str__(self) -> str:
        return manifest_key(self.run, self.name)


def runs_prefix(source: str | None = None, day: date | None = None) -> str:
    """The prefix of the manifests of all runs, of those of a source, or of those of one of its days."""
    if source is None:
        return _RUNS
    return f"{_RUNS}{source}/{day}/" if day is not None else f"{_RUNS}{source}/"


def manifest_key(run: Run, name: str) -> str:
    """The key of an object of a run's manifest, by its name."""
    return f"{run.prefix}{name}{_JSON}"


def parse_manifest_key(text: str) -> ManifestKey:
    """The parts of a key; the opposite of ``str(key)``. Raises :class:`InvalidKeyError`."""
    try:
        _, source, day, number, name = text.split("/")
        run = Run(source, date.fromisoformat(day), int(number))
    except ValueError as error:
        raise InvalidKeyError(f"{text!r} is not the key of a run's manifest: {error}") from error
    return ManifestKey(run, name.removesuffix(_JSON))


def active_runs_prefix() -> str:
    """The prefix of the marks of runs that may be under way."""
    return _ACTIVE_RUNS


def active_run_key(run: Run) -> str:
    """The key of the mark of a run that may be under way."""
    return f"{_ACTIVE_RUNS}{_number_path(run)}"


def parse_active_run_key(text: str) -> Run:
    """The run that a mark stands for. Raises :class:`InvalidKeyError`."""
    try:
        _, source, day, number = text.split("/")
        return Run(source, date.fromisoformat(day), int(number))
    except ValueError as error:
        raise InvalidKeyError(f"{text!r} is not the mark of a run: {error}") from error


def certificate_key(run: Run) -> str:
    """The key under which a run keeps its certificate in the storage, whether or not it is published."""
    return f"certificates/{_number_path(run)}{_JSON}"


def analytics_key(run: Run) -> str:
    """The key under which a run keeps its computed file in the storage, whether or not it is published."""
    return f"merged/{_number_path(run)}{_CSV}"


def _number_path(run: Run) -> str:
    return f"{run.source}/{run.day}/{run.number:04d}"


# Results of merges and queries


def merge_csv_key(query: str) -> str:
    """The key of a merge's CSV in the store of results, as Athena names it."""
    return f"{query}{_CSV}"


def merge_parquet_key(query: str) -> str:
    """The key of a merge's Parquet file in the store of results."""
    return f"{query}{_PARQUET}"


def athena_parquet_url(results: str, fingerprint: str) -> str:
    """The URL below which Athena writes a merge's Parquet files."""
    return f"{results.rstrip('/')}/parquet/{fingerprint}/"


def athena_sql_url(results: str) -> str:
    """The URL below which Athena writes the answers to a user's SQL."""
    return f"{results.rstrip('/')}/sql/"


# Published files


def published_prefix(source: str | None = None) -> str:
    """The prefix of all published files, or of those of a source."""
    return _PUBLISHED if source is None else f"{_PUBLISHED}{source}/"


def published_day_prefix(source: str, day: date) -> str:
    """The prefix of all published files of one day of a source."""
    return f"{published_prefix(source)}{day:%Y/%m/%d}/"


def published_key(run: Run) -> str:
    """The key of the published CSV: ``published/{source}/{YYYY}/{MM}/{DD}/{source}_{YYYY-MM-DD}_run{n}.csv``."""
    return f"{_published_base(run)}{_CSV}"


def parse_published_key(text: str) -> Run:
    """The run whose published CSV a key is. Raises :class:`InvalidKeyError`."""
    match = _PUBLISHED_CSV.fullmatch(text)
    if match is None:
        raise InvalidKeyError(f"{text!r} is not the key of a published CSV")
    part = match.groupdict()
    return Run(part["source"], date.fromisoformat(part["day"]), int(part["number"]))


def parquet_key(run: Run) -> str:
    """The key of the published Parquet: a file, or Athena's folder with a folder for each market."""
    return f"{_published_base(run)}{_PARQUET}"


def checkpoints_key(run: Run) -> str:
    """The key of the published checkpoints of a book."""
    return f"{_published_base(run)}.checkpoints{_PARQUET}"


def published_certificate_key(run: Run) -> str:
    """The key of the certificate beside the published CSV."""
    return f"{_published_base(run)}.certificate{_JSON}"


def parquet_beside(csv_key: str) -> str:
    """The key of the Parquet that belongs to a published CSV."""
    return f"{csv_key.removesuffix(_CSV)}{_PARQUET}"


def certificate_beside(csv_key: str) -> str:
    """The key of the certificate that belongs to a published CSV."""
    return f"{csv_key.removesuffix(_CSV)}.certificate{_JSON}"


def hash_key(key: str) -> str:
    """The key of the hashes of a published file, or of all files of a published folder."""
    return f"{key}.sha256"


def parquet_market_prefix(parquet_key: str, market: str) -> str:
    """The prefix of one market's files in a published folder of Parquet files."""
    return f"{parquet_key}/symbol={market}/"


def parquet_root(key: str) -> str | None:
    """The key of the published Parquet that a key is, or is a file of; None for any other key."""
    base, suffix, part = key.partition(_PARQUET)
    if not suffix or (part and not part.endswith(_PARQUET)):
        return None
    return f"{base}{_PARQUET}"


def _published_base(run: Run) -> str:
    return f"{published_day_prefix(run.source, run.day)}{run.source}_{run.day}_run{run.number}"


# Market files


def tardis_key(exchange: str, data_type: str, day: date, symbol: str) -> str:
    """The key of a market file in Tardis's layout: ``binance/trades/2024/08/09/BTCUSDT.csv.gz``.

    :param exchange: Tardis's name of the exchange.
    :param symbol: Tardis's name of the market.
    """
    return f"{exchange}/{PUBLISHED[data_type]}/{day:%Y/%m/%d}/{escape_part(symbol)}.csv.gz"


def hive_key(data_type: str, exchange: str, market: str, day: date) -> str:
    """The key of a market file in Hive's layout.

    Example: ``trades/exchange=binance/symbol=BTC-USDT/date=2024-08-09/part.parquet``.
    """
    return f"{data_type}/exchange={exchange}/symbol={market}/date={day}/part.parquet"
