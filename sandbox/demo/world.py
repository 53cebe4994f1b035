"""The demo's world: a Redis, an AWS and three exchanges, all on this machine's loopback interface."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import boto3
import httpx
import yaml

from booktape.model.records import SECOND
from booktape.store.objects import open_store
from sandbox import redis
from sandbox.demo.processes import LAST_RESORT_SECONDS, Process, Processes, processes
from sandbox.exchanges.clock import MarketClock, Opening

Engine = Literal["duckdb", "athena"]

MARKETS: Final = {
    "binance": ("BTC-USDT", "ETH-USDT"),
    "coinbase": ("BTC-USD", "ETH-USD"),
    "kraken": ("BTC-USD", "ETH-USD"),
}
WEBSOCKET_PATHS: Final = {"binance": "/stream", "coinbase": "", "kraken": "/v2"}
STREAMS: Final = {"binance": 3, "coinbase": 3, "kraken": 2}
"""How many streams of each market a collector subscribes to."""

DATA_TYPES: Final = {"trades": "trades", "book-updates": "book_updates"}
BUCKET: Final = "booktape-demo"
CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "booktape",
    "AWS_SECRET_ACCESS_KEY": "booktape",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True, slots=True)
class Market:
    """The market's day and how fast it passes.

    Its clock stands still until the ``opening``, some minutes before the day's end, and nobody trades before that.
    ``origin`` is a reading of the monotonic clock.
    """

    day: date
    minutes_before: int
    minutes_after: int
    speed: float
    origin: float
    opening: Opening

    @property
    def opens(self) -> datetime:
        """When the market opens, some minutes before the day's end."""
        return datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC) + timedelta(
            days=1, minutes=-self.minutes_before
        )

    @property
    def closes(self) -> datetime:
        """When it closes, some minutes into the next day."""
        return self.opens + timedelta(minutes=self.minutes_before + self.minutes_after)

    @property
    def clock(self) -> MarketClock:
        """The market's time."""
        return MarketClock(int(self.opens.timestamp()) * SECOND, self.speed, self.origin, opening=self.opening)

    @property
    def clock_arguments(self) -> list[str]:
        """The arguments of :mod:`sandbox.fast_clock`."""
        clock = self.clock
        return [str(clock.start), str(clock.speed), str(clock.origin), str(self.opening.path)]


@dataclass(frozen=True, slots=True)
class World:
    """Everything that runs, and where it lies."""

    directory: Path
    market: Market
    processes: Processes
    redis_url: str
    aws_url: str
    exchanges: dict[str, dict[str, Any]]

    def ledger(self, exchange: str) -> Path:
        """Where an exchange keeps what it sent."""
        return ledger_of(self.directory, exchange)

    def start_fast(self, name: str, module: str, *arguments: str) -> Process:
        """Start one of Booktape's programs by the market's clock."""
        return self.processes.start(name, "sandbox.fast_clock", *self.market.clock_arguments, module, *arguments)

    def exchange_status(self, exchange: str) -> dict[str, Any]:
        """What an exchange says of itself: whether it has closed, how much it has sent."""
        url = self.exchanges[exchange]["primary"]["http"]
        return _json(httpx.get(f"{url}/_sandbox/ledger", timeout=LAST_RESORT_SECONDS))

    def is_whole(self, systems: Mapping[str, Collection[str]]) -> bool:
        """Whether every instance of each system is subscribed to all streams of every exchange."""
        for name, markets in MARKETS.items():
            status = self.exchange_status(name)
            wanted = len(markets) * STREAMS[name]
            if status["clients"] < sum(map(len, systems.values())):
                return False
            if any(status["fewest"][system] < wanted for system in systems):
                return False
        return True

    def is_read(self) -> bool:
        """Whether every exchange has closed, and everybody has read what it sent."""
        found = [self.exchange_status(name) for name in MARKETS]
        return all(status["finished"] and not status["unread"] for status in found)

    def misbehave(self, exchange: str, **fault: object) -> None:
        """Order a fault of an exchange."""
        url = f"{self.exchanges[exchange]['primary']['http']}/_sandbox/faults"
        httpx.post(url, json=fault, timeout=LAST_RESORT_SECONDS).raise_for_status()

    def aws_state(self) -> dict[str, Any]:
        """All that AWS holds."""
        return _json(httpx.get(f"{self.aws_url}/_sandbox/state", timeout=LAST_RESORT_SECONDS))

    def asset(self, identifier: str) -> bytes:
        """The bytes that AWS Data Exchange would deliver to a subscriber."""
        url = f"{self.aws_url}/_sandbox/assets/{identifier}"
        return httpx.get(url, timeout=LAST_RESORT_SECONDS).raise_for_status().content


def ledger_of(directory: Path, exchange: str) -> Path:
    """Where an exchange keeps what it sent."""
    return directory / "ledgers" / f"{exchange}.jsonl"


@contextmanager
def world(directory: Path, market: Market, engine: Engine, rate: float) -> Iterator[World]:
    """A world that ends with the context. ``rate`` is in events per market and real second."""
    with redis.running(directory / "redis") as redis_url, processes(directory / "logs", CREDENTIALS) as programs:
        aws = programs.start("aws", "sandbox.aws", "--port", "0")
        exchanges = {
            name: programs.start(f"exchange-{name}", "sandbox.exchanges", *_exchange(directory, market, name, rate))
            for name in MARKETS
        }
        aws_url = str(aws.wait_for_line("url")["url"])
        routes = {name: process.wait_for_line("routes")["routes"] for name, process in exchanges.items()}
        programs.environment |= _settings(directory, engine, redis_url, aws_url)
        _write_configuration(directory, aws_url, {name: route["primary"]["http"] for name, route in routes.items()})
        if engine == "athena":
            programs.run("athena-init", "booktape.cli.main", "athena", "init")
        yield World(directory, market, programs, redis_url, aws_url, routes)


def _exchange(directory: Path, market: Market, name: str, rate: float) -> list[str]:
    ledger = ledger_of(directory, name)
    ledger.parent.mkdir(parents=True, exist_ok=True)
    options = {
        "--exchange": name,
        "--markets": ",".join(MARKETS[name]),
        "--seed": "7",
        "--speed": str(market.speed),
        "--start": market.opens.isoformat(),
        "--until": market.closes.isoformat(),
        "--origin": str(market.origin),
        "--opening": str(market.opening.path),
        "--rate": str(rate),
        "--levels": "100",
        "--ledger": str(ledger),
    }
    routes = ["--route", "primary=0", "--route", "replica=0"]
    return [part for option in options.items() for part in option] + routes


def storage_url(directory: Path, engine: Engine, system: str) -> str:
    """Where a system records: a directory, or emulated S3 where Athena is to read it."""
    return f"s3://{BUCKET}/{system}" if engine == "athena" else (directory.absolute() / "data" / system).as_uri()


def _settings(directory: Path, engine: Engine, redis_url: str, aws_url: str) -> dict[str, str]:
    return {
        "REDIS_URL": redis_url,
        "AWS_ENDPOINT_URL": aws_url,
        "BOOKTAPE_STORAGE": storage_url(directory, engine, "primary"),
        "BOOKTAPE_REPLICA": storage_url(directory, engine, "replica"),
        "BOOKTAPE_PUBLISH": f"s3://{BUCKET}",
        "BOOKTAPE_ENGINE": engine,
        "BOOKTAPE_SOURCES": str(directory / "sources.yaml"),
        "BOOKTAPE_VENUES": str(directory / "venues.yaml"),
        # The emulated services take a third of a second, not minutes.
        "BOOKTAPE_POLL_SECONDS": "1",
        "BOOKTAPE_RETRY_SECONDS": "1",
    }


def _write_configuration(directory: Path, aws_url: str, rest_urls: dict[str, str]) -> None:
    """A bucket, a data set and a product per data source, and the two configuration files that name them."""
    session = boto3.Session("booktape", "booktape", region_name="us-east-1")
    session.client("s3", endpoint_url=aws_url).create_bucket(Bucket=BUCKET)
    exchange = session.client("dataexchange", endpoint_url=aws_url)
    sources = {}
    for venue in MARKETS:
        for slug, data_type in DATA_TYPES.items():
            name = f"{venue}-{slug}"
            data_set = exchange.create_data_set(AssetType="S3_SNAPSHOT", Name=name, Description=f"{venue} {data_type}")
            entity = f"prod-{name}"
            product = {"entity_id": entity, "data_set_arn": data_set["Arn"]}
            httpx.post(f"{aws_url}/_sandbox/products", json=product, timeout=LAST_RESORT_SECONDS).raise_for_status()
            sources[name] = {
                "exchange": venue,
                "data_type": data_type,
                "data_set": data_set["Id"],
                "products": [{"entity": entity, "mode": "change-set"}],
            }
    (directory / "sources.yaml").write_text(yaml.safe_dump(sources))
    venues = {
        venue: {"markets": list(markets), "snapshot_seconds": 10, "rest_url": rest_urls[venue]}
        for venue, markets in MARKETS.items()
    }
    (directory / "venues.yaml").write_text(yaml.safe_dump(venues))


def prepare(directory: Path) -> None:
    """Make the directories of the file-based stores."""
    for system in ("primary", "replica"):
        open_store(storage_url(directory, "duckdb", system))


def _json(response: httpx.Response) -> dict[str, Any]:
    value = response.raise_for_status().json()
    assert isinstance(value, dict)
    return value
