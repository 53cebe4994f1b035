"""What lies in the archive's storage: which markets, and which days of them are published."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NamedTuple

from booktape.archive.errors import ReadFailedError, UnknownMarketError
from booktape.exchanges import UnknownExchangeError, exchanges
from booktape.integrity.certificate import Certificate, InvalidCertificateError, parse_certificate
from booktape.merge.inputs import Systems
from booktape.merge.statement import stored_types
from booktape.merge.tables import PRIMARY, REPLICA, REST
from booktape.model.csv import PUBLISHED
from booktape.model.records import MINUTE
from booktape.store.layout import (
    DONE,
    PARQUET,
    InvalidKeyError,
    Run,
    backfill_url,
    data_type_prefix,
    day_prefix,
    exchange_prefix,
    manifest_key,
    market_prefix,
    parse_batch_key,
    partition_folder,
    partition_values,
    published_certificate_key,
    runs_prefix,
)
from booktape.store.objects import ObjectNotFoundError, Store, directory_of, open_store

_CERTIFICATES: Final = 16


class UnreadableCertificateError(ReadFailedError):
    """A published certificate that cannot be read."""


class MarketStored(NamedTuple):
    """A market of which something is stored."""

    exchange: str
    market: str
    data_type: str


@dataclass(frozen=True)
class Catalog:
    """The storage of an archive."""

    store: Store
    systems: Systems
    publication: Store
    _sources: dict[str, tuple[str, str] | None] = field(default_factory=dict)
    _certificates: dict[Run, Certificate] = field(default_factory=dict)

    def markets(self, exchange: str | None, data_type: str | None) -> list[MarketStored]:
        """The markets that any system has stored, sorted."""
        types = PUBLISHED if data_type is None else (data_type,)
        found = {
            MarketStored(name, market, kind)
            for kind in types
            for stored in stored_types(kind)
            for store in self._stores()
            for name in (
                [exchange]
                if exchange is not None
                else partition_values(store.folders(data_type_prefix(stored)), "exchange")
            )
            for market in partition_values(store.folders(exchange_prefix(stored, name)), "pair")
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
        if any(market in self.certificate(run).markets for run in self.published_runs(exchange, data_type)):
            return
        names = {found.market for found in self.markets(exchange, data_type)}
        near = _near(market, sorted(names))
        raise UnknownMarketError(f"{self.store.url} has no {data_type} of {exchange} {market}{near}")

    def days(self, exchange: str, market: str, data_type: str) -> list[date]:
        """The days of which any system has objects of a market, sorted."""
        found = set()
        for stored in stored_types(data_type):
            for store in self._stores():
                of_market = market_prefix(stored, exchange, market)
                for year in partition_values(store.folders(of_market), "year"):
                    of_year = f"{of_market}{partition_folder('year', year)}"
                    for month in partition_values(store.folders(of_year), "month"):
                        of_month = f"{of_year}{partition_folder('month', month)}"
                        for day in partition_values(store.folders(of_month), "day"):
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

    def published(self, exchange: str, data_type: str, day: date) -> Run | None:
        """The newest finished run of a day; None where there is none, or it has no Parquet file."""
        for source in self._sources_of(exchange, data_type):
            for number in sorted(map(int, self.store.folders(runs_prefix(source, day))), reverse=True):
                run = Run(source, day, number)
                if self.store.exists(manifest_key(run, DONE)):
                    return run if self.store.exists(manifest_key(run, PARQUET)) else None
        return None

    def published_runs(self, exchange: str, data_type: str) -> Iterator[Run]:
        """The finished runs of the sources that publish a data type of an exchange: the newest days first."""
        for source in self._sources_of(exchange, data_type):
            yield from self._runs(source)

    def certificate(self, run: Run) -> Certificate:
        """The certificate of a published day. Raises :class:`UnreadableCertificateError`."""
        found = self._certificates.get(run)
        if found is None:
            key = published_certificate_key(run)
            try:
                found = parse_certificate(self.publication.read(key))
            except InvalidCertificateError as error:
                raise UnreadableCertificateError(f"{self.publication.url}/{key}: {error}; restore it") from error
            while len(self._certificates) >= _CERTIFICATES:
                self._certificates.pop(next(iter(self._certificates)), None)
            self._certificates[run] = found
        return found

    def _stores(self) -> Iterator[Store]:
        return (store for store in self.systems.values() if store is not None)

    def _sources_of(self, exchange: str, data_type: str) -> list[str]:
        """The data sources of an exchange and data type, as their certificates tell."""
        for source in self.store.folders(runs_prefix()):
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
            return found.exchange, found.data_type
        return None

    def _runs(self, source: str) -> Iterator[Run]:
        for name in reversed(self.store.folders(runs_prefix(source))):
            day = date.fromisoformat(name)
            for number in self.store.folders(runs_prefix(source, day)):
                run = Run(source, day, int(number))
                if self.store.exists(manifest_key(run, DONE)):
                    yield run


def open_catalog(url: str, replica: str | None, publication: str | None) -> Catalog:
    """The storage behind some URLs; nothing is made where nothing is.




    Raises :class:`~booktape.store.objects.InvalidStorageUrlError`, or
    :class:`~booktape.store.objects.StorageDeniedError` for a directory that
    does not exist.
    """
    store = open_store(url, make=False)
    rest = backfill_url(store.url)
    systems = {
        PRIMARY: store,
        REPLICA: open_store(replica, make=False) if replica else None,
        REST: open_store(rest, make=False) if _may_be(rest) else None,
    }
    return Catalog(store, systems, open_store(publication, make=False) if publication else store)


def _may_be_folder(name: str) -> bool:
    return bool(name) and not {".", ".."}.intersection(name.split("/"))


def _may_be(url: str) -> bool:
    directory = directory_of(url)
    return directory is None or Path(directory).is_dir()


def _exchanges(store: Store, stored: str) -> list[str]:
    return partition_values(store.folders(data_type_prefix(stored)), "exchange")


def _near(name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, 3, 0.5) or names[:3]
    return f"; did you mean {', '.join(near)}?" if near else ""
