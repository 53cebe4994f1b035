"""Two empty systems for each test."""

from pathlib import Path

import pytest

from tests.merge.systems import Systems, open_systems


@pytest.fixture
def systems(tmp_path: Path) -> Systems:
    return open_systems(tmp_path)
