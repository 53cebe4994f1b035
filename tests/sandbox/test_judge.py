"""The demo's judge: it must find every kind of fault, or the demo proves nothing."""

from datetime import date
from pathlib import Path

import pytest
from msgspec import json

from booktape.model.records import BOOK_UPDATES, TRADES
from sandbox.demo.judge import Verdict, judge

DAY = date(2026, 11, 20)
T = 1795132800_000_000  # 2026-11-20 00:00:00 UTC

HEADER = '"exchange","symbol","timestamp","local_timestamp","id","side","price","amount"\n'
BOOK_HEADER = '"exchange","symbol","timestamp","local_timestamp","is_snapshot","side","price","amount"\n'


def sent(*numbers: int) -> list[dict[str, object]]:
    return [
        {"type": "trade", "exchange": "x", "market": "A-B", "id": n, "timestamp": T + n, "side": "buy", "price": "1.0",
         "amount": "2"}
        for n in numbers
    ]  # fmt: skip


def row(n: int, price: str = "1.0") -> str:
    return f'"x","A-B","{T + n}","{T + n + 9}","{n}","buy","{price}","2"\n'


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def verdict(ledger: Path, rows: list[str], entries: list[dict[str, object]]) -> Verdict:
    ledger.write_bytes(b"".join(json.encode(entry) + b"\n" for entry in entries))
    return judge((HEADER + "".join(rows)).encode(), TRADES, ledger, DAY)


def test_a_file_that_is_what_was_sent_is_good(ledger: Path) -> None:
    assert verdict(ledger, [row(1), row(2)], sent(1, 2)) == Verdict(2, 0, 0, 0, 0, ())
    assert verdict(ledger, [row(1), row(2)], sent(1, 2)).good


def test_a_missing_record_is_found(ledger: Path) -> None:
    assert verdict(ledger, [row(1)], sent(1, 2)).missing == 1


def test_a_doubled_record_is_found(ledger: Path) -> None:
    assert verdict(ledger, [row(1), row(1)], sent(1)).surplus == 1


def test_a_wrong_value_is_both_missing_and_surplus(ledger: Path) -> None:
    found = verdict(ledger, [row(1, price="1.00")], sent(1))
    assert (found.missing, found.surplus, found.good) == (1, 1, False)


def test_rows_out_of_order_are_found(ledger: Path) -> None:
    assert verdict(ledger, [row(2), row(1)], sent(1, 2)).disordered == 1


def test_records_of_another_day_are_not_asked_for(ledger: Path) -> None:
    tomorrow = [entry | {"timestamp": T + 86_400_000_000} for entry in sent(3)]
    assert verdict(ledger, [row(1)], sent(1) + tomorrow).good


def test_an_empty_file_is_never_good(ledger: Path) -> None:
    assert not verdict(ledger, [], []).good


def test_a_book_that_ends_crossed_is_found(ledger: Path) -> None:
    ledger.write_bytes(
        json.encode({"type": "book", "market": "A-B", "timestamp": T + 5, "bids": [["9", "1"]], "asks": []})
    )
    rows = [
        f'"x","A-B","{T}","{T}","true","bid","7","1"\n',
        f'"x","A-B","{T}","{T}","true","ask","8","1"\n',
        f'"x","A-B","{T + 5}","{T + 5}","false","bid","9","1"\n',
    ]
    assert judge((BOOK_HEADER + "".join(rows)).encode(), BOOK_UPDATES, ledger, DAY).crossed == 1
