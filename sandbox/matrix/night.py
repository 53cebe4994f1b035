"""The night after a row, in this process: backfills, merges, checks and certifies what both systems recorded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import yaml

from booktape.integrity import parquet_check, verify
from booktape.integrity.certificate import Certificate
from booktape.integrity.certificate_reader import parse_certificate
from booktape.model.records import BOOK_UPDATES, QUOTES, TRADES
from booktape.publish import lifecycle, manifest
from booktape.publish.executor import run_steps
from booktape.publish.results import Rename
from booktape.store.layout import Run, published_key
from config.context import open_context
from config.settings import Settings
from sandbox.demo.world import MARKETS
from sandbox.matrix.rows import PRIMARY, REPLICA
from sandbox.matrix.world import DAY, NOWHERE, World

DATA_TYPES: Final = {
    "binance": (TRADES, BOOK_UPDATES, QUOTES),
    "coinbase": (TRADES, BOOK_UPDATES, QUOTES),
    "kraken": (TRADES, BOOK_UPDATES),
}


@dataclass(frozen=True, slots=True)
class Published:
    """A published file and its certificate. ``differences`` are what `booktape verify` finds between them."""

    data_type: str
    csv: bytes
    certificate: Certificate
    differences: list[str]


def publish(made: World) -> list[Published]:
    """Publish the day's data types. The venue must still respond, because the backfill queries it."""
    settings = _settings(made)
    context = open_context(settings)
    found = []
    for name, data_type in _names(made.venue).items():
        run = lifecycle.claim_run(context.store, name, DAY, "nightly", "matrix")
        run_steps(context, run)
        found.append(_read(context.store, run, data_type))
    return found


def _read(store: Any, run: Run, data_type: str) -> Published:
    renamed = manifest.require_result(store, run, Rename)
    assert renamed.certificate is not None
    csv = Path(unquote(urlsplit(renamed.url).path)).read_bytes()
    certificate = parse_certificate(Path(unquote(urlsplit(renamed.certificate).path)).read_bytes())
    differences = verify.csv_differences(certificate, lambda: [csv])
    differences += parquet_check.parquet_differences(certificate, store, published_key(run))
    return Published(data_type, csv, certificate, differences)


def _settings(made: World) -> Settings:
    """Settings without a completeness gate: an incomplete day is published too, because its certificate is the test."""
    sources = {
        name: {"exchange": made.venue, "data_type": data_type, "threshold": 0.0}
        for name, data_type in _names(made.venue).items()
    }
    venues = {made.venue: {"markets": list(MARKETS[made.venue]), "rest_url": made.routes[PRIMARY]["http"]}}
    files = {"sources": made.directory / "sources.yaml", "venues": made.directory / "venues.yaml"}
    files["sources"].write_text(yaml.safe_dump(sources))
    files["venues"].write_text(yaml.safe_dump(venues))
    chosen = {
        "storage": made.storage(PRIMARY),
        "replica": made.storage(REPLICA),
        "heal": made.row.heals,
        "REDIS_URL": NOWHERE,
        "engine": "duckdb",
        "poll_seconds": 0.2,
        "retry_seconds": 0.2,
    }
    return Settings.model_validate({**chosen, **files})


def _names(venue: str) -> dict[str, str]:
    return {f"{venue}-{data_type.replace('_', '-')}": data_type for data_type in DATA_TYPES[venue]}
