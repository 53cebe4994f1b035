"""A real evening of Binance, from recorded frames to what a subscriber gets, by both engines.

Athena merges what lies in S3, DuckDB what lies in a directory; a subscriber must not see which.
"""

import csv
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import yaml

from sandbox.aws.server import Sandbox, running
from tests.captures import reading
from tests.cli.conftest import Outcome

CAPTURE = (
    Path(os.environ.get("BOOKTAPE_CAPTURES", Path(__file__).parents[2] / "../shared/captures"))
    / "binance_spot/hftbacktest_btcusdt_20240808.jsonl.gz"
)
DAY = "2024-08-08"
MIDNIGHT = 1723161600_000_000
SLUGS = ("trades", "book-updates")

pytestmark = pytest.mark.skipif(not CAPTURE.is_file(), reason="no captures: set BOOKTAPE_CAPTURES")


@pytest.fixture(scope="module")
def aws() -> Iterator[Sandbox]:
    with running() as sandbox, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", sandbox.url)
        environment.setenv("AWS_REGION", "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "booktape")
        yield sandbox


@pytest.fixture
def prepare(aws: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes storage, a publication bucket, data sets and products for an engine, and the settings that name them."""

    def run(engine: str) -> None:
        bucket = f"tape-{engine}"
        httpx.put(f"{aws.url}/{bucket}").raise_for_status()
        (tmp_path / "sources.yaml").write_text(yaml.safe_dump(dict(_source(aws, engine, slug) for slug in SLUGS)))
        monkeypatch.setenv("BOOKTAPE_SOURCES", str(tmp_path / "sources.yaml"))
        monkeypatch.setenv("BOOKTAPE_ENGINE", engine)
        directory = (tmp_path / "primary").as_uri()
        monkeypatch.setenv("BOOKTAPE_STORAGE", f"s3://{bucket}/primary" if engine == "athena" else directory)
        monkeypatch.setenv("BOOKTAPE_PUBLISH", f"s3://{bucket}")
        monkeypatch.setenv("BOOKTAPE_POLL_SECONDS", "0.1")

    return run


def _source(aws: Sandbox, engine: str, slug: str) -> tuple[str, dict[str, Any]]:
    exchange = boto3.client("dataexchange", region_name="us-east-1", endpoint_url=aws.url)
    data_set = exchange.create_data_set(AssetType="S3_SNAPSHOT", Name=slug, Description=slug)
    product = aws.state.add_product(f"prod-{engine}-{slug}", data_set["Arn"])
    return f"binance-{slug}", {
        "exchange": "binance",
        "data_type": slug.replace("-", "_"),
        "data_set": data_set["Id"],
        "products": [{"entity": product.entity_id, "mode": "change-set"}],
    }


def _resources(aws: Sandbox) -> dict[str, list[dict[str, Any]]]:
    """All that AWS holds, after whatever was under way has ended."""
    state = httpx.get(f"{aws.url}/_sandbox/state").json()
    return {name: state[name] for name in ("revisions", "assets", "jobs", "change_sets")}


def _night(booktape: Callable[..., Outcome], aws: Sandbox) -> dict[str, bytes]:
    """Ingest, publish, and return what a subscriber gets of each source."""
    assert booktape("ingest", str(CAPTURE), "--exchange", "binance").status == 0
    before = _resources(aws)
    outcome = booktape("nightly", "--day", DAY, "--json")
    assert outcome.status == 0, outcome.err
    assert [run["state"] for run in json.loads(outcome.out)] == ["done", "done"]
    after = _resources(aws)
    new = {name: [item for item in after[name] if item not in before[name]] for name in after}
    assert {name: len(items) for name, items in new.items()} == dict.fromkeys(after, 2)
    assert all(revision["finalized"] for revision in new["revisions"])
    assert [change["status"] for change in new["change_sets"]] == ["SUCCEEDED", "SUCCEEDED"]
    return {slug: aws.state.asset_bytes(a["id"]) for slug in SLUGS for a in new["assets"] if f"-{slug}" in a["name"]}


def test_both_engines_publish_what_the_file_holds_and_a_second_night_changes_nothing(
    booktape: Callable[..., Outcome], aws: Sandbox, prepare: Callable[[str], None]
) -> None:
    prepare("athena")
    assert booktape("athena", "init").status == 0
    by_athena = _night(booktape, aws)
    prepare("duckdb")
    by_duckdb = _night(booktape, aws)
    assert by_athena == by_duckdb
    _holds_the_trades(by_duckdb["trades"])
    _holds_the_book(by_duckdb["book-updates"])

    done = _resources(aws)
    assert booktape("nightly", "--day", DAY).status == 0
    assert _resources(aws) == done


def _rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(content.decode().splitlines()))


def _holds_the_trades(content: bytes) -> None:
    rows = _rows(content)
    assert list(rows[0]) == ["exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount"]
    sent = [
        (str(event["T"] * 1000), str(event["t"]), "sell" if event["m"] else "buy", event["p"], event["q"])
        for event in reading.binance_events(CAPTURE)
        if event.get("e") == "trade" and event["T"] * 1000 < MIDNIGHT
    ]
    assert len(sent) == 9_738
    assert [(r["timestamp"], r["id"], r["side"], r["price"], r["amount"]) for r in rows] == sent


def _holds_the_book(content: bytes) -> None:
    rows = _rows(content)
    columns = ["exchange", "symbol", "timestamp", "local_timestamp", "is_snapshot", "side", "price", "amount"]
    assert list(rows[0]) == columns
    changes = [
        (side, price, amount)
        for event in reading.binance_events(CAPTURE)
        if event.get("e") == "depthUpdate" and event["E"] * 1000 < MIDNIGHT
        for side, key in (("bid", "b"), ("ask", "a"))
        for price, amount in event[key]
    ]
    assert [(r["side"], r["price"], r["amount"]) for r in rows if r["is_snapshot"] == "false"] == changes
    snapshot: Any = next(json.loads(line["data"]) for line in reading.lines(CAPTURE) if line["kind"] == "http")
    levels = [("bid", *level) for level in snapshot["bids"]] + [("ask", *level) for level in snapshot["asks"]]
    assert [(r["side"], r["price"], r["amount"]) for r in rows if r["is_snapshot"] == "true"] == levels
