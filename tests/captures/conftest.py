"""Captures are recorded frames that lie outside the repository, named by ``BOOKTAPE_CAPTURES``."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def capture() -> Callable[[str], Path]:
    """Finds a capture by its path below the folder of captures, or skips the test and says so."""
    folder = Path(os.environ.get("BOOKTAPE_CAPTURES", ROOT / "../shared/captures"))

    def find(name: str) -> Path:
        path = folder / name
        if not path.is_file():
            pytest.skip(f"no capture {name}: set BOOKTAPE_CAPTURES to the folder of captures")
        return path

    return find
