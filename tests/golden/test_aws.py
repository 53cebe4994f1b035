"""A night that publishes to AWS, as emulated: the manifests of its steps, and a republication that revokes."""

from hashlib import sha256
from pathlib import Path

import boto3
import pytest

from tests.golden import recordings
from tests.golden.comparing import compare_in_two, masked
from tests.golden.conftest import Booktape
from tests.golden.recordings import DAY, seconds, trade
from tests.publish.aws_world import BUCKET, PRODUCT, aws_world


def test_a_night_that_publishes_to_aws(
    booktape: Booktape, environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sources = "binance-trades: {exchange: binance, data_type: trades, data_set: DATA_SET, products: PRODUCTS}\n"
    products = [{"entity": PRODUCT, "mode": "change-set"}, {"entity": "prod-auto", "mode": "auto"}]
    recordings.put(tmp_path, "trades", "binance", "BTC-USDT", [trade(n, t) for n, t in seconds(range(1, 9), 0, 1)])
    with aws_world(monkeypatch) as world:
        (tmp_path / "sources.yaml").write_text(
            sources.replace("DATA_SET", world.data_set).replace("PRODUCTS", str(products))
        )
        monkeypatch.setenv("BOOKTAPE_SOURCES", str(tmp_path / "sources.yaml"))
        monkeypatch.setenv("BOOKTAPE_STORAGE", f"s3://{BUCKET}/tape")
        monkeypatch.setenv("BOOKTAPE_PUBLISH", f"s3://{BUCKET}")
        s3 = boto3.client("s3")
        for path in (tmp_path / "trades").rglob("*.gz"):
            s3.upload_file(str(path), BUCKET, f"tape/{path.relative_to(tmp_path).as_posix()}")
        outcomes = [
            booktape("nightly", "--day", DAY, "--json"),
            booktape("republish", "binance-trades", DAY, "--now", "--revoke", "--json"),
            booktape("verify", "binance-trades", DAY, "--json"),
            booktape(
                "trades", "binance", "BTC-USDT", "--from", DAY, "--to", f"{DAY}T00:01", "--gaps", "mark", "--json"
            ),
        ]
        keys, objects = [], []
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for item in page["Contents"]:
                keys.append(item["Key"])
                if item["Key"].endswith(".json") and "parquet.json" not in item["Key"]:
                    objects.append((item["Key"], s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read().decode()))
        comments = [f"{revision.comment} {revision.finalized}" for revision in world.state.revisions.values()]
        assets = [asset.name for asset in world.state.assets.values()]
    lines = [*comments, *assets, *keys, *(f"==> {key}\n{content}" for key, content in objects)]
    replaced = [(str(tmp_path), "{root}")]
    for key, content in objects:
        if key.startswith("tape/certificates/"):  # each names its maker
            replaced.append((sha256(content.encode()).hexdigest(), f"{{sha256 of {key}}}"))
    text = masked("".join(one.structure for one in outcomes) + "\n".join(lines) + "\n", replaced)
    compare_in_two("aws.txt", text, masked("".join(one.said for one in outcomes), replaced))
