"""What an archive's storage holds: its markets, their days, and which days are published."""

from collections.abc import Iterator
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from booktape.archive.errors import ReadFailedError, UnknownMarketError
from booktape.exchanges import UnknownExchangeError, exchanges
from booktape.integrity.certificate import Certificate, InvalidCertificateError
from booktape.integrity.certificate_reader import parse_certificate
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

_MOST_CERTIFICATES: Final = 16
"""How many certificates are kept in memory."""


class UnreadableCertificateError(ReadFailedError):
    """A published certificate cannot be read."""


class StreamKey(NamedTuple):
    """One market's records of one published data type."""

    exchange: str
    market: str
    data_type: str


class Catalog:
    """The storage of an archive. Thread-safe.

    :ivar store: the primary system's storage, which holds the manifests of runs too.
    :ivar systems: the stores of all systems, by their names.
    :ivar publication: the store of published files.
    """

    def __init__(self, store: Store, systems: Systems, publication: Store) -> None:
        self.store = store
        self.systems = systems
        self.publication = publication
        self._sources: dict[str, tuple[str, str]] = {}
        self._certificate = lru_cache(_MOST_CERTIFICATES)(self._read_certificate)

    def markets(self, exchange: str | None, data_type: str | None) -> list[StreamKey]:
        """The streams of which any system has stored objects, sorted; of one exchange or data type only, if given."""
        types = PUBLISHED if data_type is None else (data_type,)
        streams = {
            StreamKey(name, market, published)
            for published in types
            for stored in stored_types(published)
            for store in self._stores()
            for name in ([exchange] if exchange is not None else _exchanges(store, stored))
            for market in partition_values(store.folders(exchange_prefix(stored, name)), "pair")
        }
        return sorted(streams)

    def require(self, stream: StreamKey) -> None:
        """Check that something is stored or published of a stream.

        :raises UnknownExchangeError: nothing is stored of the exchange, and Booktape does not know it either.
        :raises UnknownMarketError: nothing is stored of the market. The text suggests similar names.
        """
        exchange, market, data_type = stream
        if (
            _can_be_folder(exchange)
            and _can_be_folder(market)
            and any(
                store.folders(market_prefix(stored, exchange, market))
                for stored in stored_types(data_type)
                for store in self._stores()
            )
        ):
            return
        if exchange not in exchanges() and not any(found.exchange == exchange for found in self.markets(None, None)):
            similar = _suggestion(exchange, list(exchanges()))
            raise UnknownExchangeError(f"unknown exchange {exchange!r}{similar}; `booktape exchanges` lists them")
        if any(market in self.certificate(run).markets for run in self.published_runs(exchange, data_type)):
            return
        names = {found.market for found in self.markets(exchange, data_type)}
        similar = _suggestion(market, sorted(names))
        raise UnknownMarketError(f"{self.store.url} has no {data_type} of {exchange} {market}{similar}")

    def days(self, stream: StreamKey) -> list[date]:
        """The days of which any system has objects of a stream, sorted."""
        days = set()
        for stored in stored_types(stream.data_type):
            for store in self._stores():
                of_market = market_prefix(stored, stream.exchange, stream.market)
                for year in partition_values(store.folders(of_market), "year"):
                    of_year = f"{of_market}{partition_folder('year', year)}"
                    for month in partition_values(store.folders(of_year), "month"):
                        of_month = f"{of_year}{partition_folder('month', month)}"
                        for day in partition_values(store.folders(of_month), "day"):
                            days.add(date(int(year), int(month), int(day)))
        return sorted(days)

    def newest(self, stream: StreamKey) -> int | None:
        """The end (µs) of the newest minute of which any system has an object of a stream; None where none has."""
        newest = max(
            (
                minute
                for day in self.days(stream)[-1:]
                for stored in stored_types(stream.data_type)
                for minute in self.minutes(stored, stream.exchange, stream.market, day)
            ),
            default=None,
        )
        return newest + MINUTE if newest is not None else None

    def minutes(self, stored: str, exchange: str, market: str, day: date) -> set[int]:
        """The minutes (µs) of a day in which any system's objects of a market begin.

        :param stored: the stored data type.
        """
        minutes = set()
        for store in self._stores():
            for item in store.objects(day_prefix(stored, exchange, market, day)):
                try:
                    minutes.add(parse_batch_key(item.key).minute)
                except InvalidKeyError:  # the merge reports it
                    continue
        return minutes

    def published(self, exchange: str, data_type: str, day: date) -> Run | None:
        """The newest finished run of a day; None where there is none, or it has no Parquet file."""
        for source in self._sources_of(exchange, data_type):
            for number in sorted(map(int, self.store.folders(runs_prefix(source, day))), reverse=True):
                run = Run(source, day, number)
                if self.store.exists(manifest_key(run, DONE)):
                    return run if self.store.exists(manifest_key(run, PARQUET)) else None
        return None

    def published_runs(self, exchange: str, data_type: str) -> Iterator[Run]:
        """The finished runs of the sources of an exchange and data type, each source's newest days first."""
        for source in self._sources_of(exchange, data_type):
            yield from self._finished_runs(source)

    def certificate(self, run: Run) -> Certificate:
        """The published certificate of a run. Raises :class:`UnreadableCertificateError`."""
        return self._certificate(run)

    def _read_certificate(self, run: Run) -> Certificate:
        key = published_certificate_key(run)
        try:
            return parse_certificate(self.publication.read(key))
        except InvalidCertificateError as error:
            raise UnreadableCertificateError(f"{self.publication.url}/{key}: {error}; restore it") from error

    def _stores(self) -> Iterator[Store]:
        return (store for store in self.systems.values() if store is not None)

    def _sources_of(self, exchange: str, data_type: str) -> list[str]:
        """The data sources of an exchange and data type, by their certificates."""
        for source in self.store.folders(runs_prefix()):
            if source not in self._sources:
                content = self._content_of(source)
                if content is not None:
                    self._sources[source] = content
        return [source for source, content in list(self._sources.items()) if content == (exchange, data_type)]

    def _content_of(self, source: str) -> tuple[str, str] | None:
        """The exchange and data type of a source; None before its first run is done, or without a certificate."""
        for run in self._finished_runs(source):
            try:
                certificate = self.certificate(run)
            except ObjectNotFoundError:
                return None
            return certificate.exchange, certificate.data_type
        return None

    def _finished_runs(self, source: str) -> Iterator[Run]:
        for name in reversed(self.store.folders(runs_prefix(source))):
            day = date.fromisoformat(name)
            for number in self.store.folders(runs_prefix(source, day)):
                run = Run(source, day, int(number))
                if self.store.exists(manifest_key(run, DONE)):
                    yield run


def open_catalog(url: str, replica: str | None, publication: str | None) -> Catalog:
    """Open the storage behind some URLs. Directories are not created.

    :raises InvalidStorageUrlError: not a storage URL.
    :raises StorageDeniedError: a directory does not exist.
    """
    store = open_store(url, make=False)
    backfilled = backfill_url(store.url)
    systems = {
        PRIMARY: store,
        REPLICA: open_store(replica, make=False) if replica else None,
        REST: open_store(backfilled, make=False) if _can_exist(backfilled) else None,
    }
    return Catalog(store, systems, open_store(publication, make=False) if publication else store)


def _can_be_folder(name: str) -> bool:
    return bool(name) and not {".", ".."}.intersection(name.split("/"))


def _can_exist(url: str) -> bool:
    directory = directory_of(url)
    return directory is None or Path(directory).is_dir()


def _exchanges(store: Store, stored: str) -> list[str]:
    return partition_values(store.folders(data_type_prefix(stored)), "exchange")


def _suggestion(name: str, names: list[str]) -> str:
    similar = get_close_matches(name, names, 3, 0.5) or names[:3]
    return f"; did you mean {', '.join(similar)}?" if similar else ""
