"""The command line's fixtures, for the documentation's examples."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import booktape

__all__ = ["booktape"]

HERE = Path(__file__).parent


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Keep the examples in the order of their pages: one may use what another wrote, as a reader's would."""
    written = [item for item in items if item.path.parent == HERE]
    yield
    places = [number for number, item in enumerate(items) if item.path.parent == HERE]
    for number, item in zip(places, written, strict=True):
        items[number] = item
