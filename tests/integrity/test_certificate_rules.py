"""A certificate that says something else than the rest of it, or than the venue's declaration, is found out."""

import re
from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw, json

from booktape.integrity import parquet_check
from booktape.integrity.certificate import Certificate, InvalidCertificateError
from booktape.integrity.certificate_reader import parse_certificate
from booktape.integrity.certificate_rules import contradictions
from booktape.integrity.uptime_log import encode_segment
from booktape.merge import open_engine
from booktape.model import codec
from booktape.model.batch import Batch
from booktape.model.records import BOOK_SNAPSHOTS, BOOK_UPDATES, SECOND, TRADES, BookSnapshot, BookUpdate
from booktape.model.uptime import StreamInterval, StreamUptime
from booktape.publish import certify_step, lifecycle
from booktape.publish.aws import Aws
from booktape.publish.context import Context
from booktape.publish.executor import run_steps
from booktape.publish.sources import DataSource
from booktape.store.layout import batch_key, published_key
from booktape.store.objects import Store, open_store
from tests.publish.recordings import DAY, MIDNIGHT, store_trades, trade

Plain = dict[str, Any]
Change = Callable[[Plain], object]


def published(directory: Path, data_type: Any, record: Callable[[Store, Store, Store], None]) -> Plain:
    """The certificate of what both systems recorded and REST healed."""
    urls = [str(directory / name) for name in ("primary", "replica", "primary/rest")]
    systems = [open_store(url) for url in urls]
    record(*systems)
    engine = open_engine("duckdb", primary=urls[0], replica=urls[1], results=str(directory / "results"))
    source = DataSource("binance-x", "binance", data_type, threshold=0)
    context = Context(systems[0], systems[0], engine, {source.name: source}, Aws())
    run = lifecycle.claim_run(context.store, source.name, DAY, "nightly", "test")
    run_steps(context, run)
    content = certify_step.read_certificate(context, run)
    assert parquet_check.parquet_differences(parse_certificate(content), context.publication, published_key(run)) == []
    plain: Plain = json.decode(content)
    return plain


def certified(plain: Plain) -> Certificate:
    return parse_certificate(json.encode(plain))


def put(store: Store, data_type: str, records: list[Any], first: int, last: int) -> None:
    batch = Batch(data_type, "BTC-USDT", MIDNIGHT, first, last, len(records), codec.encode_records(records))
    store.create(str(batch_key(batch, "binance")), codec.compress(batch.lines))


def record_trades(primary: Store, replica: Store, rest: Store) -> None:
    """1 to 30: 10 is missing, the primary lacks 5, REST gave 20, the systems disagree on 25, 28 is of nothing."""
    last = replace_trade(28, amount="0")
    put(primary, TRADES, [trade(n) for n in range(1, 28) if n not in (5, 10, 20)] + [last, trade(29), trade(30)], 1, 30)
    put(replica, TRADES, [trade(n) if n != 25 else replace_trade(25) for n in (1, 5, 25, 30)], 1, 30)
    store_trades(rest, [20])
    lines = [StreamUptime(TRADES, "BTC-USDT", "a", MIDNIGHT, MIDNIGHT + 60 * SECOND, DOWN, [], [])]
    primary.create(*encode_segment("binance", "a", MIDNIGHT, lines))


DOWN = [
    StreamInterval("connected", MIDNIGHT, MIDNIGHT + 20 * SECOND),
    StreamInterval("down", MIDNIGHT + 20 * SECOND, MIDNIGHT + 60 * SECOND),
]


def replace_trade(number: int, **changes: Any) -> Any:
    fields = {name: getattr(trade(number), name) for name in trade(number).__struct_fields__}
    return type(trade(number))(**{**fields, "price": "1", **changes})


def record_book(primary: Store, replica: Store, rest: Store) -> None:
    """A snapshot, two updates, one missing, and a snapshot that differs from the book."""

    def snapshot(number: int, bids: bytes) -> BookSnapshot:
        time = MIDNIGHT + number * SECOND
        return BookSnapshot(
            last_id=number, timestamp=time, bids=Raw(bids), asks=Raw(b"[]"), origin="rest", local_timestamp=time
        )

    put(primary, BOOK_SNAPSHOTS, [snapshot(1, b'[["9","1"]]'), snapshot(4, b'[["9","2"]]')], 1, 4)
    times = {number: MIDNIGHT + number * SECOND for number in (2, 4)}
    updates = [
        BookUpdate(
            first_id=n, last_id=n, timestamp=time, bids=Raw(b'[["8","1"]]'), asks=Raw(b"[]"), local_timestamp=time + 1
        )
        for n, time in times.items()
    ]
    put(primary, BOOK_UPDATES, updates, 2, 4)


@pytest.fixture(scope="module")
def trades(tmp_path_factory: pytest.TempPathFactory) -> Plain:
    return published(tmp_path_factory.mktemp("trades"), TRADES, record_trades)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Plain:
    return published(tmp_path_factory.mktemp("book"), BOOK_UPDATES, record_book)


def test_a_certificate_as_it_is_made_contradicts_nothing(trades: Plain, book: Plain) -> None:
    assert (list(contradictions(certified(trades))), list(contradictions(certified(book)))) == ([], [])
    market = trades["markets"]["BTC-USDT"]
    assert market["agreement"]["variant_ids"] == [25]
    assert (market["recovered"], market["burned_ids"]["ranges"]) == ({"replica": 1, "rest": 1}, [[28, 28]])
    assert book["markets"]["BTC-USDT"]["book"]["snapshots_differing"] == 1


def leaves(told: Any, path: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
    """Where each number and text of a certificate stands."""
    items = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for key, value in items:
        yield from leaves(value, (*path, key)) if isinstance(value, dict | list) else [(*path, key)]


NOT_FROM_THE_REST = {
    ("format",),
    ("source",),
    ("exchange",),
    ("day",),
    ("file", "bytes"),
    ("file", "sha256"),
    ("made_by", "booktape"),
    ("made_by", "sql_sha256"),
    ("systems", 0),
}
"""What the rest of a certificate does not determine: the file tells it, or whoever asks for it, or nobody."""

OF_THE_FILES = {
    "sha256",
    "first_id",
    "last_id",
    "crossed",
    "snapshots",
    "snapshots_compared",
    "first_mismatch",
    "variant_ids",
    "incomparable",
    "interruptions",
    "clock",
}
"""The same of each market."""


def changed(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else f"{value}x" if isinstance(value, str) else 1


@pytest.mark.parametrize("data_type", [TRADES, BOOK_UPDATES])
def test_whatever_single_field_is_changed_the_rest_contradicts_it(trades: Plain, book: Plain, data_type: str) -> None:
    told = trades if data_type == TRADES else book
    unnoticed = set()
    for path in leaves(told):
        if path in NOT_FROM_THE_REST or OF_THE_FILES & set(path):
            continue
        forged = deepcopy(told)
        inner = forged
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = changed(inner[path[-1]])
        try:
            if not list(contradictions(certified(forged))):
                unnoticed.add(path)
        except InvalidCertificateError:
            continue
    assert unnoticed == set()


def dictionaries(told: Any, path: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
    """Where each object of a certificate stands, the markets' names apart."""
    if isinstance(told, dict):
        yield path
    items = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for key, value in items:
        yield from dictionaries(value, (*path, key))


@pytest.mark.parametrize("data_type", [TRADES, BOOK_UPDATES])
def test_a_certificate_without_one_field_or_with_another_one_is_none(
    trades: Plain, book: Plain, data_type: str
) -> None:
    """Left out, an interval in which nobody listened would be hidden, and nothing else contradict that."""
    told = trades if data_type == TRADES else book
    assert json.decode(certified(told).encode()) == told
    for path in dictionaries(told):
        inner = inside(told, path)
        for key in ["more", *(inner if path != ("markets",) else ())]:
            forged = deepcopy(told)
            if inside(forged, path).pop(key, None) is None and key == "more":
                inside(forged, path)[key] = 1
            with pytest.raises(InvalidCertificateError):
                certified(forged)


def inside(told: Any, path: Iterable[Any]) -> Any:
    for key in path:
        told = told[key]
    return told


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("downtime", "clock"), "mine", "Invalid enum value 'mine'"),
        (("downtime", "interruptions"), -1, "Expected `int` >= 0"),
        (("downtime", "down"), {}, "Expected `array`, got `object`"),
        (("agreement", "variant_ids"), [25.0], "Expected `int | str`, got `float`"),
        (("share_present",), "1", "Expected `str` matching regex"),
    ],
)
def test_a_field_of_another_kind_is_named(trades: Plain, path: tuple[str, ...], value: Any, fault: str) -> None:
    forged = deepcopy(trades)
    inside(forged, (*MARKET, *path[:-1]))[path[-1]] = value
    with pytest.raises(InvalidCertificateError, match="the certificate is not valid: " + re.escape(fault)):
        certified(forged)


def at(*path: str, **values: Any) -> Change:
    def change(told: Plain) -> None:
        for key in path:
            told = told[key]
        told.update(values)

    return change


MARKET = ("markets", "BTC-USDT")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (at(rule="monotonic"), "the rule: monotonic in the certificate, contiguous as binance is declared"),
        (at(unverifiable="none"), "why nothing is verifiable: none in the certificate, None as binance is declared"),
        (at(exchange="bnance"), "unknown exchange 'bnance'"),
        (at(data_type="instruments"), "the certificate is of instruments, which is not published"),
        (at(data_type="liquidations"), "the certificate is of liquidations of binance, which has none"),
        (at(systems=["replica", "primary"]), "the certificate's systems are ['replica', 'primary']"),
        (
            at("totals", share_present="1.000000"),
            "the total of share_present: 1.000000, but 0.966666 by its other fields",
        ),
        (at(*MARKET, share_verified="0.999999"), "the share verified of BTC-USDT: 0.999999"),
        (
            at(*MARKET, "sequence", missing_ids=[[40, 40]]),
            "ids that are not between its first and last one, 1 and 30",
        ),
        (at(*MARKET, "agreement", variant_ids=[25, 26]), "1 records in different variants, with these ids: [25, 26]"),
        (at(*MARKET, "burned_ids", ranges=[[28, 28], [2, 1]]), "its ids burned are not in order: [[28, 28], [2, 1]]"),
        (at(*MARKET, "sequence", resumed_ids=[[3, 4]]), "resumed ids that are not missing: [[3, 4]]"),
        (
            at(*MARKET, "edges", start={"missing": 1, "missing_ids": [[3, 3]], "broken_links": []}),
            "ids missing at the start that do not end before 1: [[3, 3]]",
        ),
        (at(*MARKET, "downtime", down=[[5, 6]], down_microseconds=1), "that are not of the day"),
        (at(*MARKET, sequence=None), "the share present of BTC-USDT: 0.966666, but None by its other fields"),
        (
            at(*MARKET, agreement=None),
            "whether systems are compared of BTC-USDT: False, but True by its other fields",
        ),
    ],
)
def test_what_contradicts_what_is_said(trades: Plain, change: Change, said: str) -> None:
    forged = deepcopy(trades)
    change(forged)
    assert said in "\n".join(contradictions(certified(forged)))


NOTHING_MISSING = {"missing": 0, "missing_ids": [], "broken_links": []}


def epochs(*starts: int | None) -> Change:
    """Divide the day's sequence into epochs that start at these times."""

    def change(told: Plain) -> None:
        sequence = told["markets"]["BTC-USDT"]["sequence"]
        part = {name: value for name, value in sequence.items() if name not in ("epochs", "unnumbered")}
        sequence["epochs"] = [{**part, "starts_at": start} for start in starts]

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (at(*MARKET, "sequence", first=31), "its ids are from 31 to 30"),
        (at(*MARKET, "sequence", first=None), "its ids are from None to 30"),
        (at(*MARKET, "sequence", first=None, last=None), "ids of a day that has none"),
        (
            lambda told: [
                at(*MARKET, "sequence", first=None, last=None)(told),
                at(*MARKET, "edges", start=NOTHING_MISSING)(told),
            ],
            "edges that differ, without an id between them",
        ),
        (
            at(*MARKET, "edges", end={"missing": 1, "missing_ids": [[33, 33]], "broken_links": []}),
            "ids missing at the end that do not begin after 30: [[33, 33]]",
        ),
        (
            lambda told: [at(*MARKET, sequence=None)(told), at(*MARKET, "edges", start=NOTHING_MISSING)(told)],
            "an edge is known of a market without sequence ids",
        ),
        (at(*MARKET, "sequence", other_day_ids=[[7, 6]]), "its other_day_ids are not in order: [[7, 6]]"),
        (epochs(None), "epochs that start at [None]"),
        (epochs(None, MIDNIGHT + 5, MIDNIGHT + 4), "epochs that start at [None, "),
        (epochs(None, None), "epochs that start at [None, None]"),
        (at(systems=["primary", "replica"]), "records recovered over REST without such a system"),
        (
            at(
                *MARKET,
                "downtime",
                down=[[MIDNIGHT, MIDNIGHT + 2]],
                silent=[[MIDNIGHT + 1, MIDNIGHT + 3]],
            ),
            "intervals of its downtime that overlap",
        ),
        (at(*MARKET, "agreement", variant_ids=[25, 25]), "1 records in different variants, with these ids: [25, 25]"),
        (at(rule="monotonic"), "sequence ids under the rule monotonic"),
    ],
)
def test_what_is_impossible_of_trades_is_said(trades: Plain, change: Change, said: str) -> None:
    forged = deepcopy(trades)
    change(forged)
    assert said in "\n".join(contradictions(certified(forged)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (at(*MARKET, "book", snapshots_compared=3), "more snapshots that differ than were compared, or than there are"),
        (at(*MARKET, "book", first_mismatch=None), "1 snapshots that differ, the first of them None"),
        (at(*MARKET, "book", checksums_checked=1), "checksums under the rule ranged"),
        (at(*MARKET, "book", checksums_failed=1), "more checksums that failed than were compared"),
        (at(*MARKET, "burned_ids", count=1, ranges=[[3, 3]]), "burned ids of book_updates"),
        (at(*MARKET, "agreement", variant_ids=[25]), "0 records in different variants, with these ids: [25]"),
    ],
)
def test_what_is_impossible_of_a_book_is_said(book: Plain, change: Change, said: str) -> None:
    forged = deepcopy(book)
    change(forged)
    assert said in "\n".join(contradictions(certified(forged)))
