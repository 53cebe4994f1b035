"""A directory or an AWS to publish in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from booktape.merge import open_engine
from booktape.publish.aws import Aws
from booktape.publish.context import Context
from booktape.publish.sources import DataSource, Product
from booktape.store.objects import open_store
from tests.publish.aws_world import BUCKET, PRODUCT, World, aws_world

SOURCE = "binance-trades"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with aws_world(monkeypatch) as world:
        yield world


@pytest.fixture
def in_directory(tmp_path: Path) -> Context:
    """Publishes into a directory, without a data set."""
    return context_of(f"file://{tmp_path}", DataSource(SOURCE, "binance", "trades"))


@pytest.fixture
def at_aws(world: World) -> Context:
    """Publishes into a data set, with a product that needs change sets."""
    source = DataSource(
        SOURCE, "binance", "trades", data_set=world.data_set, products=(Product(PRODUCT, "change-set"),)
    )
    return context_of(f"s3://{BUCKET}", source)


def context_of(url: str, source: DataSource) -> Context:
    """A context with one source whose recordings, results and publications lie below one URL."""
    store = open_store(url)
    engine = open_engine("duckdb", primary=url, replica=None, results=f"{url}/merged")
    return Context(store, store, engine, {source.name: source}, Aws(), verify_seconds=0)
