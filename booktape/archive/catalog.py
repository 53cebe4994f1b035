"""What lies in the archive's storage: which markets, and which days of them are published."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import DecodeError, json

from booktape.archive.errors import ReadFailedError, UnknownMarketError
from booktape.exchanges import UnknownExchangeError, exchanges
from booktape.merge.inputs import Systems
from booktape.merge.sql_text import stored_types
from booktape.merge.tables import PRIMARY, REPLICA, REST
from booktape.model.csv import PUBLISHED
from booktape.model.keys import InvalidKeyError, day_prefix, exchange_prefix, market_prefix, parse_batch_key
from booktape.model.records import MINUTE
from booktape.store.objects import ObjectNotFoundError, Store, directory_of, open_store

_PAIR: Final = "pair="
_EXCHANGE: Final = "exchange="
_CERTIFICATES: Final = 16


class InvalidCertificateFieldsError(ReadFailedError):
    """A published certificate that cannot be read."""


class MarketStored(NamedTuple):
    """A market of which something is stored."""

    exchange: str
    market: str
    data_type: str


@dataclass(frozen=True, slots=True)
class PublishedDay:
    """The newest run of a day that is done. ``base`` is the key of its files without their endings."""

    source: str
    run: int
    base: str

    @property
    def parquet(self) -> str:
        """The key of the Parquet file, or of the folder with a folder for each market."""
        return f"{self.base}.parquet"

    @property
    def checkpoints(self) -> str:
        """The key of the books that stand in between, which only a book has."""
        return f"{self.base}.checkpoints.parquet"


@dataclass(frozen=True)
class Catalog:
    """The storage of an archive."""

    store: Store
    systems: Systems
    publication: Store
    _sources: dict[str, tuple[str, str] | None] = field(default_factory=dict)
    _certificates: dict[str, dict[str, Any]] = field(default_factory=dict)

    def markets(self, exchange: str | None, data_type: str | None) -> list[MarketStored]:
        """The markets that any system has stored, sorted."""
        types = PUBLISHED if data_type is None else (data_type,)
        found = {
            MarketStored(name, market, kind)
            for kind in types
            for stored in stored_types(kind)
            for store in self._stores()
            for name in ([exchange] if exchange is not None else _named(store.folders(f"{stored}/"), _EXCHANGE))
            for market in _named(store.folders(exchange_prefix(stored, name)), _PAIR)
        }
        return sorted(found)

    def require(self, exchange: str, market: str, data_type: str) -> None:
        """Raise :class:`UnknownExchangeError` or :class:`UnknownMarketError`, with near names, unless something is
        stored."""
        places = [(store, stored) for stored in stored_types(data_type) for store in self._stores()]
        if (
            _may_be_folder(exchange)
            and _may_be_folder(market)
            and any(store.folders(market_prefix(stored, exchange, market)) for store, stored in places)
        ):
            return
        if exchange not in exchanges() and not any(found.exchange == exchange for found in self.markets(None, None)):
            near = _near(exchange, list(exchanges()))
            raise UnknownExchangeError(f"unknown exchange {exchange!r}{near}; `booktape exchanges` lists them")
        if any(market in self.certificate(run)["markets"] for run in self._any_runs(exchange, data_type)):
            return
        names = {found.market for found in self.markets(exchange, data_type)}
        near = _near(market, sorted(names))
        raise UnknownMarketError(f"{self.store.url} has no {data_type} of {exchange} {market}{near}")

    def days(self, exchange: str, market: str, data_type: str) -> list[date]:
        """The days of which any system has objects of a market, sorted."""
        found = set()
        for stored in stored_types(data_type):
            for store in self._stores():
                prefix = market_prefix(stored, exchange, market)
                for year in _named(store.folders(prefix), "year="):
                    for month in _named(store.folders(f"{prefix}year={year}/"), "month="):
                        for day in _named(store.folders(f"{prefix}year={year}/month={month}/"), "day="):
                            found.add(date(int(year), int(month), int(day)))
        return sorted(found)

    def newest(self, exchange: str, market: str, data_type: str) -> int | None:
        """The end (µs) of the newest minute of which any system has an object of a market; None where none has."""
        days = self.days(exchange, market, data_type)
        minutes = (minute for day in days[-1:] for minute in self.minutes(exchange, market, data_type, day))
        newest = max(minutes, default=None)
        return newest + MINUTE if newest is not None else None

    def minutes(self, exchange: str, market: str, data_type: str, day: date) -> set[int]:
        """The minutes (µs) of a day that the objects of a market begin in, of any system."""
        found = set()
        for stored in stored_types(data_type):
            found |= self.stored_minutes(exchange, market, stored, day)
        return found

    def stored_minutes(self, exchange: str, market: str, stored: str, day: date) -> set[int]:
        """As :meth:`minutes`, of one stored data type."""
        found = set()
        for store in self._stores():
            for item in store.objects(day_prefix(stored, exchange, market, day)):
                try:
                    found.add(parse_batch_key(item.key).minute)
                except InvalidKeyError:  # the merge names it
                    continue
        return found

    def published(self, exchange: str, data_type: str, day: date) -> PublishedDay | None:
        """The newest run that is done of a day; None where there is none with a Parquet file."""
        for source in self._sources_of(exchange, data_type):
            for number in sorted(map(int, self.store.folders(f"runs/{source}/{day}/")), reverse=True):
                prefix = f"runs/{source}/{day}/{number:04d}"
                if self.store.exists(f"{prefix}/done.json"):
                    return _published(source, day, number) if self.store.exists(f"{prefix}/parquet.json") else None
        return None

    def certificate(self, run: PublishedDay) -> dict[str, Any]:
        """The certificate of a published day. Raises :class:`InvalidCertificateFieldsError`."""
        found = self._certificates.get(run.base)
        if found is None:
            key = f"{run.base}.certificate.json"
            try:
                found = json.decode(self.publication.read(key), type=dict)
                _require_fields(found)
            except DecodeError as error:
                raise InvalidCertificateFieldsError(f"{self.publication.url}/{key}: {error}; restore it") from error
            while len(self._certificates) >= _CERTIFICATES:
                self._certificates.pop(next(iter(self._certificates)), None)
            self._certificates[run.base] = found
        return found

    def _stores(self) -> Iterator[Store]:
        return (store for store in self.systems.values() if store is not None)

    def _sources_of(self, exchange: str, data_type: str) -> list[str]:
        """The data sources of an exchange and data type, as their certificates tell."""
        for source in self.store.folders("runs/"):
            if source not in self._sources:
                told = self._told(source)
                if told is not None:
                    self._sources[source] = told
        return [source for source, told in list(self._sources.items()) if told == (exchange, data_type)]

    def _told(self, source: str) -> tuple[str, str] | None:
        """The exchange and data type of a source; None before its first run is done, or where it has no certificate."""
        for run in self._runs(source):
            try:
                found = self.certificate(run)
            except ObjectNotFoundError:
                return None
            return found["exchange"], found["data_type"]
        return None

    def _runs(self, source: str) -> Iterator[PublishedDay]:
        for day in reversed(self.store.folders(f"runs/{source}/")):
            for number in self.store.folders(f"runs/{source}/{day}/"):
                if self.store.exists(f"runs/{source}/{day}/{number}/done.json"):
                    yield _published(source, date.fromisoformat(day), int(number))

    def _any_runs(self, exchange: str, data_type: str) -> Iterator[PublishedDay]:
        for source in self._sources_of(exchange, data_type):
            yield from self._runs(source)


def open_catalog(url: str, replica: str | None, publication: str | None) -> Catalog:
    """The storage behind some URLs; nothing is made where nothing is.




    Raises :class:`~booktape.store.objects.InvalidStorageUrlError`, or
    :class:`~booktape.store.objects.StorageDeniedError` for a directory that
    does not exist.
    """
    store = open_store(url, make=False)
    rest = f"{store.url}/{REST}"
    systems = {
        PRIMARY: store,
        REPLICA: open_store(replica, make=False) if replica else None,
        REST: open_store(rest, make=False) if _may_be(rest) else None,
    }
    return Catalog(store, systems, open_store(publication, make=False) if publication else store)


def _require_fields(certificate: dict[str, Any]) -> None:
    for name in ("exchange", "data_type", "markets"):
        if name not in certificate:
            raise DecodeError(f"it has no {name}")


def _may_be_folder(name: str) -> bool:
    return bool(name) and not {".", ".."}.intersection(name.split("/"))


def _may_be(url: str) -> bool:
    directory = directory_of(url)
    return directory is None or Path(directory).is_dir()


def _published(source: str, day: date, number: int) -> PublishedDay:
    return PublishedDay(source, number, f"published/{source}/{day:%Y/%m/%d}/{source}_{day}_run{number}")


def _named(folders: list[str], prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in folders if name.startswith(prefix)]


def _near(name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, 3, 0.5) or names[:3]
    return f"; did you mean {', '.join(near)}?" if near else ""
