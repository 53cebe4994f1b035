"""An empty world for each test."""

from pathlib import Path

import pytest

from tests.archive.exports.exporting import World, open_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return open_world(tmp_path)
