"""Objects as the first version stored them, read by the code of today.

``stored/1`` is never written anew. Whoever changes a format adds a folder beside it, and a line in ``VERSIONS``.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.golden import entry
from tests.golden.comparing import compare_in_two, masked, tree
from tests.golden.conftest import Booktape, Outcome
from tests.golden.recordings import DAY, HOUR, MIDNIGHT, SECOND

STORED = Path(__file__).parent / "stored"
VERSIONS = ["1"]
BTC = ("binance", "BTC-USDT")
DAYS = ("--from", DAY, "--to", "2024-08-10")


@pytest.fixture(params=VERSIONS)
def tape(
    request: pytest.FixtureRequest, tmp_path: Path, environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of a version's storage, and the settings that name it."""
    root = tmp_path / "tape"
    shutil.copytree(STORED / request.param, root)
    for name in ("primary", "replica"):
        monkeypatch.setenv(f"BOOKTAPE_{'STORAGE' if name == 'primary' else 'REPLICA'}", str(root / name))
    monkeypatch.setenv("BOOKTAPE_SOURCES", str(root / "sources.yaml"))
    return root


def rows(outcome: Outcome) -> list[dict[str, Any]]:
    assert outcome.status == 0, outcome.err
    return [json.loads(line) for line in outcome.out.splitlines()]


def only_recorded(tape: Path) -> None:
    """Take away what was published: what is read then comes from batches and ledgers."""
    for name in ("published", "runs", "certificates", "markets"):
        shutil.rmtree(tape / "primary" / name)


@pytest.mark.parametrize("published", [True, False], ids=["published", "recorded"])
def test_trades(tape: Path, booktape: Booktape, published: bool) -> None:
    """Of Parquet and manifests, or of batches: the first and the second run differ in what was healed."""
    if not published:
        only_recorded(tape)
    found = rows(booktape("trades", *BTC, *DAYS, "--gaps", "mark", "--json"))
    numbers = [str(number) for number in range(101, 142) if published is False or number != 125]
    assert [row["id"] for row in found] == numbers
    assert found[0] == {
        "exchange": "binance", "symbol": "BTC-USDT", "timestamp": MIDNIGHT + 50 * SECOND,
        "local_timestamp": MIDNIGHT + 50 * SECOND + 50_000, "id": "101", "side": "buy", "price": "60001.10",
        "amount": "0.5",
    }  # fmt: skip
    for market, count in (("币安人生-USDT", 2), ("A\"B'C-USDT", 2), ("ETH-USDT", 18 - published)):
        assert len(rows(booktape("trades", "binance", market, *DAYS, "--gaps", "mark", "--json"))) == count


@pytest.mark.parametrize("published", [True, False], ids=["published", "recorded"])
def test_a_book(tape: Path, booktape: Booktape, published: bool) -> None:
    """By way of checkpoints, or of stored snapshots and updates."""
    if not published:
        only_recorded(tape)
    [book] = rows(booktape("book", *BTC, "--at", f"{DAY}T00:00:30", "--gaps", "mark", "--json"))
    compare_in_two(f"stored/book_{'published' if published else 'recorded'}.txt", json.dumps(book, indent=1) + "\n")
    messages = rows(booktape("book", "kraken", "BTC-USD", *DAYS, "--gaps", "mark", "--json"))
    assert [message["is_snapshot"] for message in messages] == [True] + [False] * 7
    assert messages[0]["bids"] == [["99.0", "1.00"], ["98.5", "2.00"]]


def test_a_ledger(tape: Path, booktape: Booktape) -> None:
    only_recorded(tape)
    found = rows(booktape("coverage", *BTC, *DAYS, "--json"))
    assert found[0]["from"] == MIDNIGHT
    assert found[-1]["to"] == MIDNIGHT + 24 * HOUR
    keys = [path.relative_to(tape / "primary").as_posix() for path in (tape / "primary/ledger").rglob("*.gz")]
    segments = {key: entry.decode_segment((tape / "primary" / key).read_bytes()) for key in keys}
    [line] = [
        one for lines in segments.values() for one in lines if (one.data_type, one.market) == ("trades", "BTC-USDT")
    ]
    assert [state.state for state in line.states] == [
        "connected", "down", "connected", "silent", "resyncing", "connected"
    ]  # fmt: skip
    assert (line.states[1].start, line.states[1].end) == (MIDNIGHT + 10 * HOUR, MIDNIGHT + 10 * HOUR + 600 * SECOND)
    assert (line.instance, line.lag, line.over, line.since) == ("a", 50_000, True, None)
    [gap] = line.gaps
    assert entry.ledger_gap(gap) == (121, 122, "ids", MIDNIGHT + 73 * SECOND, False)
    assert [(one.first, one.last, one.records) for one in line.batches] == [(101, 110, 10), (111, 140, 27)]
    assert all(str(entry.parse_segment_key(key)) == key for key in keys)
    compare_in_two("stored/coverage.txt", "".join(f"{json.dumps(row)}\n" for row in found))
    told = json.loads(booktape("status", "--redundancy", "--day", DAY, "--exchange", "binance", "--json").out)
    assert [(one["system"], sorted(one["covered"])) for one in told] == [
        ("primary", ["a", "books"]),
        ("replica", ["a", "b"]),
    ]


def test_certificates_and_manifests(tape: Path, booktape: Booktape) -> None:
    """Files verify; what is done stays done; a republication names the run before."""
    shown = json.loads(booktape("certificate", "binance-trades", DAY, "--json").out)
    stored = json.loads((tape / "primary/certificates/binance-trades" / DAY / "0001.json").read_bytes())
    assert (stored["format"], shown["format"]) == (1, 2)  # it is converted
    assert stored["markets"]["BTC-USDT"]["numbers"]["ranges"] == [[125, 125]]
    assert shown["markets"]["BTC-USDT"]["sequence"]["missing_ids"] == [[125, 125]]
    assert stored["markets"]["ETH-USDT"]["numbers"]["eras"][1]["ranges"] == [[5, 5]]
    assert shown["markets"]["ETH-USDT"]["sequence"]["epochs"][1]["missing_ids"] == [[5, 5]]
    assert (shown["file"], shown["made_by"]) == (stored["file"], stored["made_by"])
    sources = [line.partition(":")[0] for line in (tape / "sources.yaml").read_text().splitlines()]
    outcomes = [booktape("verify", name, DAY, "--json") for name in sources if name != "binance-bars"]
    assert [json.loads(outcome.out)["verified"] for outcome in outcomes] == [True] * len(outcomes)
    states = json.loads(booktape("status", "--json").out)
    assert {(state["source"], state["run"], state["state"]) for state in states} == {
        (name, 1, "done") for name in sources
    }
    before = tree(tape / "primary", lambda key: key.startswith("runs/"))
    assert booktape("nightly", "--day", DAY).status == 0
    assert tree(tape / "primary", lambda key: key.startswith("runs/")) == before
    again = booktape("republish", "binance-trades", DAY, "--now", "--json")
    assert again.status == 0, again.err
    check = json.loads((tape / f"primary/runs/binance-trades/{DAY}/0002/check.json").read_bytes())["result"]
    assert check["previous"] == {
        "run": 1, "sha256": "3aa75aadb721027cf6547b29a6ced9eb61e95a3758d99d16d4ed66d3e629a327", "rows": 61
    }  # fmt: skip
    assert (check["differs"], check["rows"]) == (True, 63)
    replaced = [(str(tape), "{tape}")]
    printed = [booktape("status", "--json"), booktape("certificate", "binance-trades", DAY, "--run", "1")]
    structure, said = ("".join(getattr(one, name) for one in printed) for name in ("structure", "said"))
    compare_in_two("stored/status.txt", masked(structure, replaced), masked(said, replaced))


def test_damage_to_a_stored_day_is_found(tape: Path, booktape: Booktape) -> None:
    """So an old certificate is really held against its file."""
    [path] = (tape / "primary/published/binance-trades").rglob("*.csv")
    path.write_bytes(path.read_bytes().replace(b'"60001.10"', b'"60001.20"', 1))
    outcome = booktape("verify", "binance-trades", DAY, "--json")
    assert (outcome.status, json.loads(outcome.out)["verified"]) == (1, False)
    compare_in_two("stored/damage.txt", masked(outcome.structure, []), masked(outcome.said, []))


def test_raw_frames(tape: Path, booktape: Booktape, tmp_path: Path) -> None:
    """Played again, with the marks of a handover and of an interruption."""
    command = ("ingest", tape / "primary", "--exchange", "binance", "--storage", tmp_path / "again", "--json")
    outcome = booktape(*command)
    summary = json.loads(outcome.out)
    assert summary["records"] == {"trades": {"BTC-USDT": 7}, "book_snapshots": {"BTC-USDT": 1}}
    text = masked(f"{outcome.structure}{tree(tmp_path / 'again')}", [(str(tmp_path), "{root}")])
    compare_in_two("stored/raw.txt", text, masked(outcome.said, [(str(tmp_path), "{root}")]))


@pytest.mark.parametrize("data_type", ["trades", "book_updates", "derivative_ticker"])
def test_parquet_is_exported(tape: Path, booktape: Booktape, tmp_path: Path, data_type: str) -> None:
    exchange = "binance-futures" if data_type == "derivative_ticker" else "binance"
    outcome = booktape("export", exchange, data_type, DAY, "--to", tmp_path / "to", "--json")
    assert outcome.status == 0, outcome.err
    compare_in_two(f"stored/export/{data_type}.txt", tree(tmp_path / "to"))
