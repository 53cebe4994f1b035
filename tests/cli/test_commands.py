"""The command line: what it prints, and that every mistake a user can make ends in one line with the next step."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Outcome

Booktape = Callable[..., Outcome]

TRADE = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":%d,"p":"61837.63000000",'
    '"q":"0.02000000","T":1723161255342,"m":true,"M":true}}'
)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Trades 1, 2 and 5, an acknowledgement, and a frame that nobody knows."""
    frames = [TRADE % 1, TRADE % 2, '{"result":null,"id":1}', TRADE % 5, '{"stream":"x","data":{"e":"new","s":"X"}}']
    path = tmp_path / "capture.jsonl.gz"
    lines = [
        json.dumps({"t": 1723161254087896568 + n, "kind": "ws", "url": "wss://x", "dir": "in", "data": frame})
        for n, frame in enumerate(frames)
    ]
    lines.append(json.dumps({"t": None, "kind": "ws", "url": "wss://x", "dir": "out", "data": "{}"}))
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def test_ingest_sums_up_as_one_json_object(booktape: Booktape, capture: Path, tmp_path: Path) -> None:
    outcome = booktape("ingest", str(capture), "--exchange", "binance", "--storage", str(tmp_path / "s"), "--json")
    assert outcome.status == 0
    assert json.loads(outcome.out) == {
        "frames": 5,
        "control": 1,
        "not_understood": {"new": 1},
        "records": {"trades": {"BTC-USDT": 3}},
        "stale": 0,
        "gaps": [{"data_type": "trades", "market": "BTC-USDT", "from": 3, "to": 4}],
        "checksums": {"checked": 0, "failed": 0},
        "objects": 2,
    }


def test_ingest_sums_up_for_people(booktape: Booktape, capture: Path, tmp_path: Path) -> None:
    outcome = booktape("ingest", str(capture), "--exchange", "binance", "--storage", str(tmp_path / "s"))
    assert "5 frames (1 without a record), 2 objects (2 new)" in outcome.out
    assert "gap in trades of BTC-USDT: 3 to 4" in outcome.out
    assert "not understood: new: 1" in outcome.out


def test_exchanges_tells_programs_what_is_verifiable(booktape: Booktape) -> None:
    told = json.loads(booktape("exchanges", "--json").out)
    assert {"binance", "coinbase", "kraken"} <= set(told)
    assert told["binance"]["data_types"]["trades"] == {
        "channels": ["trade"],
        "sequence_rule": "contiguous",
        "verifiable": True,
    }
    assert told["binance"]["data_types"]["quotes"]["verifiable"] is False
    assert told["kraken"]["docs"].startswith("https://docs.kraken.com/")


@pytest.mark.parametrize(
    "command", ["demo", "record", "ingest", "nightly", "republish", "exchanges", "markets", "status"]
)
def test_every_commands_help_teaches(booktape: Booktape, command: str) -> None:
    outcome = booktape(command, "--help")
    assert outcome.status == 0
    assert len(outcome.out) > 300


MISTAKES = [
    (("ingest", "{tmp}/none.gz", "--exchange", "binance"), "none.gz cannot be read"),
    (("ingest", "{tmp}/text.gz", "--exchange", "binance"), "text.gz cannot be read after line 0: Not a gzipped file"),
    (("ingest", "{tmp}/wrong.gz", "--exchange", "binance"), "wrong.gz, line 2: not a line of a capture"),
    (("ingest", "{tmp}/wrong.gz", "--exchange", "mtgox"), "unknown exchange 'mtgox'; there are: binance"),
    (
        ("ingest", "{tmp}/wrong.gz", "--exchange", "binance", "--storage", "ftp://x"),
        "is not a storage URL; use file://",
    ),
    (
        ("record", "--exchange", "kraken", "--markets", "BTCUSD"),
        "'BTCUSD' is not a market's name; write",
    ),
    (("record", "--exchange", "mtgox", "--markets", "BTC-USD"), "unknown exchange 'mtgox'"),
    (("record", "--exchange", "kraken", "--markets", "BTC-USD", "--data-types", "x"), "kraken has no 'x'; it has:"),
    (("nightly", "--day", "2024-02-30"), "'2024-02-30' is not a day; write it as YYYY-MM-DD"),
    (("nightly", "--day", "2999-01-01"), "2999-01-01 is not over yet (UTC)"),
    (("nightly", "--source", "x-trades"), "unknown data source 'x-trades'; there are: binance-book-updates"),
    (
        ("nightly", "--day", "2024-08-08", "--source", "binance-trades"),
        "there are no trades of binance on 2024-08-08 in",
    ),
    (("republish", "x-trades", "2024-08-08"), "unknown data source 'x-trades'"),
    (("republish", "binance-trades", "soon"), "'soon' is not a day"),
    (("republish", "binance-trades", "2024-08-08"), "Redis at redis://127.0.0.1:1/0 is not reachable"),
    (("republish", "binance-trades", "2024-08-08", "--revoke"), "binance-trades has no data set in the sources file"),
    (("release", "x-trades", "2024-08-08", "--reason", "r"), "unknown data source 'x-trades'"),
    (("release", "binance-trades", "2024-08-08", "--reason", "r"), "there is no run that is held of binance-trades on"),
    (("release", "binance-trades", "2024-08-08", "--run", "7", "--reason", "r"), "there is no run 7 of binance-trades"),
    (("status", "--source", "x-trades"), "unknown data source 'x-trades'"),
    (("athena", "init"), "Athena reads and writes s3://bucket/prefix only"),
]


@pytest.mark.parametrize(("arguments", "complaint"), MISTAKES, ids=[" ".join(words)[:60] for words, _ in MISTAKES])
def test_a_mistake_ends_in_one_line_that_names_it(
    booktape: Booktape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], complaint: str
) -> None:
    (tmp_path / "text.gz").write_text("no gzip")
    (tmp_path / "wrong.gz").write_bytes(gzip.compress(b'{"kind":"ws","data":"{}"}\n{"kind":"telex","data":"{}"}\n'))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    outcome = booktape(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert outcome.status == 1
    error = outcome.err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert complaint in error
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("nightly", "--day", "2024-08-08"),
        ("republish", "binance-trades", "2024-08-08", "--now"),
        ("republish", "binance-trades", "2024-08-08"),
        ("release", "binance-trades", "2024-08-08", "--reason", "because", "--now"),
        ("heal", "binance-trades", "2024-08-08"),
    ],
)
def test_a_replica_publishes_nothing_by_hand_either(
    booktape: Booktape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOOKTAPE_SYSTEM", "replica")
    outcome = booktape(*arguments)
    assert (outcome.status, outcome.err) == (
        1,
        "error: this is the replica system (BOOKTAPE_SYSTEM); only the primary publishes\n",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("BOOKTAPE_ENGINE", "sqlite", "BOOKTAPE_ENGINE=sqlite: Input should be 'duckdb' or 'athena'"),
        ("BOOKTAPE_SOURCES", "{tmp}/sources.yaml", "sources.yaml, line 3"),
        ("BOOKTAPE_SOURCES", "{tmp}/none.yaml", "none.yaml"),
    ],
)
def test_a_bad_configuration_is_named_with_its_line(
    booktape: Booktape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, complaint: str
) -> None:
    (tmp_path / "sources.yaml").write_text("binance-trades:\n  exchange: binance\n  data_type: candles\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, value.format(tmp=tmp_path))
    outcome = booktape("status")
    assert outcome.status == 1
    assert complaint in outcome.err


def test_status_tells_what_became_of_each_run(
    booktape: Booktape, capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKTAPE_STORAGE", (tmp_path / "tape").as_uri())
    assert "tape does not exist; is it the right directory?" in booktape("status").err
    booktape("ingest", str(capture), "--exchange", "binance")
    assert "no runs in" in booktape("status").out
    assert (
        "error: binance-trades 2024-08-08 run 1 is held: 60.0000% of the numbered records are there"
        in booktape("nightly", "--day", "2024-08-08", "--source", "binance-trades").err
    )
    told = booktape("status", "--source", "binance-trades").out
    assert "binance-trades 2024-08-08 run 1 (nightly): held, after certify" in told
    (run,) = json.loads(booktape("status", "--json").out)
    assert (run["source"], run["run"], run["state"]) == ("binance-trades", 1, "held")
    assert (run["rows"], run["share_present"]) == (3, "0.600000")
    assert "3 rows, 0.600000 of the venue's numbers are there" in told


def test_a_night_by_hand_computes_what_is_computed_of_what_it_publishes(
    booktape: Booktape, capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sources.yaml").write_text(
        "a-bars: {exchange: binance, data_type: trade_bars, every: 60}\n"
        "trades: {exchange: binance, data_type: trades, threshold: 0.5}\n"
    )
    monkeypatch.setenv("BOOKTAPE_SOURCES", str(tmp_path / "sources.yaml"))
    monkeypatch.setenv("BOOKTAPE_STORAGE", (tmp_path / "tape").as_uri())
    booktape("ingest", str(capture), "--exchange", "binance")
    outcome = booktape("nightly", "--day", "2024-08-08", "--json")
    assert [(run["source"], run["state"]) for run in json.loads(outcome.out)] == [
        ("trades", "done"),
        ("a-bars", "done"),
    ]
    error = booktape("certificate", "a-bars", "2024-08-08").err
    assert "computed data has none of its own, see that of trades" in error


def test_a_capture_of_another_exchange_is_no_success(booktape: Booktape, tmp_path: Path) -> None:
    path = tmp_path / "capture.gz"
    path.write_bytes(gzip.compress(json.dumps({"kind": "ws", "data": TRADE % 1}).encode()))
    outcome = booktape("ingest", str(path), "--exchange", "kraken", "--storage", str(tmp_path / "s"))
    assert outcome.status == 1
    assert "none of 1 frames is one of kraken's; is --exchange right?" in outcome.err
