"""A buyer holds a published day to its certificate: every tampering is found, also by who adjusts the certificate."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from msgspec import Raw

from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, BookSnapshot, BookUpdate
from booktape.model.records import DAY as DAY_LENGTH
from booktape.store.layout import batch_key
from booktape.store.objects import Store, open_store
from tests.cli.conftest import Outcome
from tests.publish.recordings import MIDNIGHT, store_at, store_trades

Booktape = Callable[..., Outcome]
Forge = Callable[[bytes], bytes]

DAY = "2024-08-09"
FOLDER = "published/{}/2024/08/09/{}_2024-08-09_run1"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The storage of an installation that publishes trades and books, of which trades may miss much."""
    sources = {
        "trades": {"exchange": "binance", "data_type": "trades", "threshold": 0.5},
        "books": {"exchange": "binance", "data_type": "book_updates"},
    }
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump(sources))
    monkeypatch.setenv("BOOKTAPE_SOURCES", str(tmp_path / "sources.yaml"))
    monkeypatch.setenv("BOOKTAPE_STORAGE", str(tmp_path / "data"))
    monkeypatch.setenv("BOOKTAPE_HEAL", "false")
    return open_store(str(tmp_path / "data"))


def nightly(booktape: Booktape, source: str) -> None:
    outcome = booktape("nightly", "--day", DAY, "--source", source)
    assert outcome.status == 0, outcome.err


@pytest.fixture
def trades(store: Store, booktape: Booktape) -> Store:
    """A published day of trades, of which 10 to 19 are missing."""
    store_trades(store, [*range(1, 10), *range(20, 50)])
    nightly(booktape, "trades")
    return store


def store_book(store: Store, without: int = 0) -> None:
    """A snapshot and five updates, or all but one of them; the third crosses the book."""

    def side(price: int) -> Raw:
        return Raw(f'[["{price}","1"]]'.encode())

    def put(data_type: str, records: list[Any]) -> None:
        first, last = records[0].last_id, records[-1].last_id
        batch = Batch(data_type, "BTC-USDT", MIDNIGHT, first, last, len(records), codec.encode_records(records))
        store.create(str(batch_key(batch, "binance")), codec.compress(batch.lines))

    times = {number: MIDNIGHT + number * 1_000_000 for number in range(1, 8)}
    put(
        BOOK_SNAPSHOTS,
        [BookSnapshot(last_id=1, bids=side(9), asks=side(11), origin="rest", local_timestamp=times[1] + 5)],
    )
    put(
        BOOK_UPDATES,
        [
            BookUpdate(
                first_id=number,
                last_id=number,
                bids=side(12 if number == 4 else number),
                asks=Raw(b"[]"),
                local_timestamp=times[number] + 10,
                sent_timestamp=times[number],
            )
            for number in range(2, 7)
            if number != without
        ],
    )


def forge(store: Store, source: str, change: Forge, *, adjusted: bool = False) -> None:
    """Change the published file; ``adjusted``: and put its new size and hash, and number of rows, into the rest."""
    key = FOLDER.format(source, source)
    content = change(store.read(f"{key}.csv"))
    store.replace(f"{key}.csv", content)
    if adjusted:
        certificate = json.loads(store.read(f"{key}.certificate.json"))
        certificate["file"] |= {
            "bytes": len(content), "sha256": sha256(content).hexdigest(), "rows": content.count(b"\n") - 1,
        }  # fmt: skip
        store.replace(f"{key}.certificate.json", json.dumps(certificate).encode())


def test_an_untouched_day_is_verified(trades: Store, booktape: Booktape) -> None:
    outcome = booktape("verify", "trades", DAY)
    assert (outcome.status, outcome.err) == (0, "")
    assert "BTC-USDT: missing 10-19" in outcome.out
    assert "verified: all of 39 rows are as the certificate says" in outcome.out


def test_a_buyer_needs_the_two_files_only(
    trades: Store, booktape: Booktape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ending in ("csv", "certificate.json"):
        (tmp_path / f"bought.{ending}").write_bytes(trades.read(f"{FOLDER.format('trades', 'trades')}.{ending}"))
    monkeypatch.setenv("BOOKTAPE_STORAGE", str(tmp_path / "nothing"))
    bought = ("--file", str(tmp_path / "bought.csv"), "--certificate", str(tmp_path / "bought.certificate.json"))
    assert booktape("verify", "trades", DAY, *bought).status == 0
    assert booktape("verify", "books", DAY, *bought).status == 1


def flip(content: bytes) -> bytes:
    """Another digit in a price."""
    assert content.count(b'"60030.10"') == 1
    return content.replace(b'"60030.10"', b'"60031.10"')


def remove(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join(lines[:20] + lines[21:])


def swap(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    lines[20], lines[21] = lines[21], lines[20]
    return b"".join(lines)


def remove_the_last(content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:-1])


def put_the_last_into_the_next_day(content: bytes) -> bytes:
    return content.replace(str(MIDNIGHT + 49_000_000).encode(), str(MIDNIGHT + DAY_LENGTH).encode())


@pytest.mark.parametrize("adjusted", [False, True])
@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (flip, "BTC-USDT: the SHA-256 of its lines"),
        (remove, "BTC-USDT: ids not in the file that the certificate does not declare: 30"),
        (swap, "the file is not valid: line 22: BTC-USDT at"),
        (put_the_last_into_the_next_day, "line 40: the time 1723248000000000 is not of that day"),
        (remove_the_last, "BTC-USDT: last id: 48 in the file, 49 in the certificate"),
    ],
)
def test_whatever_is_changed_in_the_trades_is_found(
    trades: Store, booktape: Booktape, change: Forge, difference: str, adjusted: bool
) -> None:
    forge(trades, "trades", change, adjusted=adjusted)
    outcome = booktape("verify", "trades", DAY)
    assert outcome.status == 1
    assert difference in outcome.out
    assert "trades 2024-08-09 is not what its certificate says" in outcome.err
    assert ("the file's sha256" in outcome.out) != adjusted


@pytest.mark.parametrize("adjusted", [False, True])
@pytest.mark.parametrize("change", [swap, remove, flip])
def test_whatever_is_changed_in_a_book_is_found(
    store: Store, booktape: Booktape, change: Forge, adjusted: bool
) -> None:
    store_book(store)
    nightly(booktape, "books")
    assert booktape("verify", "books", DAY).status == 0

    def change_it(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        if change is flip:
            return content.replace(b'"12"', b'"10"')  # and so the book is not crossed any more
        if change is remove:
            return b"".join(lines[:4] + lines[5:])
        return b"".join([lines[0], lines[2], lines[1], *lines[3:]])  # two levels of the snapshot

    forge(store, "books", change_it, adjusted=adjusted)
    outcome = booktape("verify", "books", DAY)
    assert outcome.status == 1
    assert "BTC-USDT: the SHA-256 of its lines" in outcome.out
    crossed = "messages after which the book is crossed: 0 in the file"
    assert (crossed in outcome.out) == (change is flip)


def test_the_crossed_book_stands_in_the_certificate(store: Store, booktape: Booktape) -> None:
    store_book(store)
    nightly(booktape, "books")
    told = json.loads(booktape("certificate", "books", DAY, "--json").out)
    book = told["markets"]["BTC-USDT"]["book"]
    assert (book["crossed"], book["snapshots"], book["snapshots_compared"]) == (3, 1, 0)
    assert told["markets"]["BTC-USDT"]["sequence"]["expected"] == 5


def test_a_certificate_that_hides_a_loss_contradicts_itself(trades: Store, booktape: Booktape) -> None:
    key = f"{FOLDER.format('trades', 'trades')}.certificate.json"
    certificate = json.loads(trades.read(key))
    certificate["markets"]["BTC-USDT"]["sequence"] |= {"missing": 0, "missing_ids": []}
    trades.replace(key, json.dumps(certificate).encode())
    outcome = booktape("verify", "trades", DAY)
    assert outcome.status == 1
    assert "ids not in the file that the certificate does not declare: 10-19" in outcome.out
    assert "the ids expected of BTC-USDT: 49, but 39 by its other fields" in outcome.out


def parquet(store: Store, change: str) -> None:
    """Write the published Parquet file anew, as this SQL makes it from what it held."""
    path = (store.directory or Path()) / f"{FOLDER.format('trades', 'trades')}.parquet"
    rows = duckdb.sql(f"SELECT {change} FROM read_parquet('{path}')")
    assert rows is not None, "a query has rows"
    rows.write_parquet(str(path.with_name("other")))
    path.unlink()  # the merge's result is the same file by another name
    path.with_name("other").rename(path)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("* REPLACE (if(id = '7', '1', price) AS price)", "BTC-USDT: the SHA-256 of its lines: "),
        ("* REPLACE ('both' AS provenance)", "BTC-USDT: trades of the provenance both: 39 by the Parquet, 0 in the"),
        ("* REPLACE (position + 1 AS position)", "its positions of BTC-USDT do not count on from 1"),
        ("* REPLACE ('ETH-USDT' AS symbol)", "ETH-USDT: records in the Parquet, not one in the certificate"),
        ("*", "run1.parquet.sha256 does not have the hashes of the Parquet files"),
    ],
)
def test_whatever_is_changed_in_the_parquet_is_found(
    trades: Store, booktape: Booktape, change: str, difference: str
) -> None:
    parquet(trades, change)
    outcome = booktape("verify", "trades", DAY)
    assert outcome.status == 1
    assert difference in outcome.out


def test_a_hash_that_is_not_the_files_is_found(trades: Store, booktape: Booktape) -> None:
    trades.replace(f"{FOLDER.format('trades', 'trades')}.csv.sha256", b"0  trades_2024-08-09_run1.csv\n")
    outcome = booktape("verify", "trades", DAY)
    assert (outcome.status, "run1.csv.sha256 does not have the certificate's hash" in outcome.out) == (1, True)


def test_a_books_numbers_are_recomputed_from_the_parquet(store: Store, booktape: Booktape) -> None:
    """Here somebody hides that ids are missing, and adjusts all that follows from it."""
    store_book(store, without=5)
    assert booktape("nightly", "--day", DAY, "--source", "books").status == 1
    assert booktape("release", "books", DAY, "--now", "--reason", "whatever").status == 0
    assert booktape("verify", "books", DAY).status == 0
    key = f"{FOLDER.format('books', 'books')}.certificate.json"
    certificate = json.loads(store.read(key))
    market, totals = certificate["markets"]["BTC-USDT"], certificate["totals"]
    assert market["sequence"]["missing_ids"] == [[5, 5]]
    market["sequence"] |= {"missing": 0, "missing_ids": [], "present": 5}
    market["share_present"] = totals["share_present"] = "1.000000"
    totals |= {"present": 5, "missing": 0}
    store.replace(key, json.dumps(certificate).encode())
    outcome = booktape("verify", "books", DAY)
    assert outcome.out == "BTC-USDT: sequence ids in no record of the Parquet, and not declared as missing: 5\n"


def test_a_books_tests_are_made_again_from_the_parquet(store: Store, booktape: Booktape) -> None:
    store_book(store)
    nightly(booktape, "books")
    key = f"{FOLDER.format('books', 'books')}.certificate.json"
    certificate = json.loads(store.read(key))
    certificate["markets"]["BTC-USDT"]["book"] |= {"snapshots": 2, "snapshots_compared": 1}
    store.replace(key, json.dumps(certificate).encode())
    assert booktape("verify", "books", DAY).out.splitlines() == [
        "BTC-USDT: the book's snapshots: 1 by the Parquet, 2 in the certificate",
        "BTC-USDT: the book's snapshots_compared: 0 by the Parquet, 1 in the certificate",
    ]


def test_the_hole_that_a_lost_market_is_stands_in_what_is_shown(store: Store, booktape: Booktape) -> None:
    store_trades(store, range(1, 50))
    store_at(store, -1, [1, 2])
    store_at(store, 1, [6])
    assert "not one numbered record is there of 1 market" in booktape("nightly", "--day", DAY, "--source", "trades").err
    assert "ETH-USDT: missing 3-5, between the days around this one" in booktape("certificate", "trades", DAY).out


def test_json_names_every_difference(trades: Store, booktape: Booktape) -> None:
    forge(trades, "trades", remove_the_last)
    told = json.loads(booktape("verify", "trades", DAY, "--json").out)
    assert (told["verified"], len(told["differences"])) == (False, 7)


def test_what_is_not_there_is_said_in_one_line(store: Store, booktape: Booktape) -> None:
    store_trades(store, range(1, 5))
    outcome = booktape("verify", "trades", DAY)
    assert outcome.status == 1
    assert "has no trades of 2024-08-09; published sources: none" in outcome.err


def test_a_held_day_is_released_with_a_reason_that_stays(store: Store, booktape: Booktape) -> None:
    store_trades(store, [*range(1, 5), *range(20, 25)])
    assert booktape("nightly", "--day", DAY, "--source", "trades").status == 1
    assert "BTC-USDT: missing 5-19" in booktape("certificate", "trades", DAY).out
    assert booktape("verify", "trades", DAY).status == 1
    assert booktape("release", "trades", DAY, "--now", "--reason", " ").status == 1

    outcome = booktape("release", "trades", DAY, "--now", "--reason", "the venue was down")

    assert outcome.status == 0, outcome.err
    assert booktape("verify", "trades", DAY).status == 0
    released = json.loads(store.read("runs/trades/2024-08-09/0001/released.json"))["result"]
    assert (released["why"], "37.5000%" in released["held"], bool(released["who"])) == (
        "the venue was down",
        True,
        True,
    )
    again = booktape("release", "trades", DAY, "--now", "--reason", "the venue was down")
    assert again.status == 0


def test_only_the_threshold_can_be_released(store: Store, booktape: Booktape) -> None:
    assert booktape("nightly", "--day", DAY, "--source", "trades").status == 1  # nothing was recorded
    outcome = booktape("release", "trades", DAY, "--now", "--reason", "why not")
    assert outcome.status == 1
    assert "only a run below its source's threshold can be released" in outcome.err
