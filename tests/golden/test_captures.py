"""Frames of every venue through ``booktape ingest``: the keys, bytes and lines of all objects, and the summary."""

import gzip
from pathlib import Path

import pytest

from tests.golden.comparing import compare_in_two, masked, tree
from tests.golden.conftest import Booktape

CAPTURES = Path(__file__).parent / "captures"


@pytest.mark.parametrize("exchange", [path.stem for path in sorted(CAPTURES.glob("*.jsonl"))])
def test_the_documented_frames_of_a_venue(booktape: Booktape, tmp_path: Path, exchange: str) -> None:
    capture, storage = tmp_path / "capture.jsonl.gz", tmp_path / "tape"
    capture.write_bytes(gzip.compress((CAPTURES / f"{exchange}.jsonl").read_bytes(), mtime=0))
    first = booktape("ingest", capture, "--exchange", exchange, "--storage", storage, "--json")
    objects = tree(storage)
    again = booktape("ingest", capture, "--exchange", exchange, "--storage", storage)
    text = f"{first.structure}{again.structure}{objects}"
    replaced = [(str(tmp_path), "{root}")]
    compare_in_two(f"captures/{exchange}.txt", masked(text, replaced), masked(first.said + again.said, replaced))
