"""The fault matrix, a few rows of it; and its judge, which must find a hidden loss and an invented gap."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from booktape.integrity.audit import MarketAudit
from booktape.integrity.certificate import NO_SEQUENCE_RULE, Certificate, Maker, PublishedFile
from booktape.integrity.certificate_builder import build_certificate
from booktape.integrity.replica_audit import ReplicaAudit
from booktape.integrity.sequence_audit import Edge, SequenceSummary
from booktape.integrity.uptime import Downtime
from booktape.model.records import BOOK_UPDATES, QUOTES, SECOND, TRADES
from sandbox.matrix.found import match, read_rows
from sandbox.matrix.judge import Case, judge, missing_ids
from sandbox.matrix.night import Published
from sandbox.matrix.rows import ROWS, Row, rows
from sandbox.matrix.run import Outcome, run
from sandbox.matrix.sent import Message, Sent, Stream, read_ledger

PLAYED = [("cut-both", "binance"), ("kill-both", "kraken"), ("cut-both-healed", "coinbase")]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Three rows, played side by side."""
    place = tmp_path_factory.mktemp("matrix")
    with ThreadPoolExecutor(len(PLAYED)) as pool:
        found = [pool.submit(run, rows([name])[0], venue, place / name, 20.0) for name, venue in PLAYED]
        return {outcome.result().row.name: outcome.result() for outcome in found}


def test_what_is_lost_is_what_the_certificate_says_is_missing(outcomes: dict[str, Outcome]) -> None:
    cut = outcomes["cut-both"]
    assert [verdict.faults for verdict in cut.verdicts] == [[], [], []]
    trades, book, quotes = cut.verdicts
    assert (trades.ids, book.ids > book.lost) == (trades.reported, True)
    assert min(trades.lost, book.lost, quotes.lost) > 0
    assert quotes.declared > 2 * SECOND  # two markets, cut off for three seconds


def test_what_one_system_has_is_not_missing(outcomes: dict[str, Outcome]) -> None:
    killed = outcomes["kill-both"]
    assert [verdict.faults for verdict in killed.verdicts] == [[], []]
    assert [(verdict.lost, verdict.reported, verdict.declared) for verdict in killed.verdicts] == [(0, 0, 0), (0, 0, 0)]


def test_healed_trades_are_not_missing_and_a_lost_book_is_declared(outcomes: dict[str, Outcome]) -> None:
    healed = outcomes["cut-both-healed"]
    assert [verdict.faults for verdict in healed.verdicts] == [[], [], []]
    trades, book, _ = healed.verdicts
    assert (trades.lost, trades.reported) == (0, 0)
    assert book.lost > 0
    assert book.declared > 0


def test_every_row_of_the_issue_is_there() -> None:
    assert [row.name for row in ROWS] == [
        "quiet", "kill-one", "kill-both", "kill-all", "kill-all-healed", "cut-primary", "cut-both", "cut-both-healed",
        "cut-in-turn", "lost", "duplicated", "reordered", "delayed", "skipped", "clocks", "clocks-cut", "mid-minute",
        "listed", "reset",
    ]  # fmt: skip


# The judge, on trades 1 to 9 at seconds 1 to 9, of which 4 and 5 are lost

UNKNOWN = Edge(known=False)
LOSSY = Row("row", "", interrupts=True, may_cost=True)


def trade(number: int) -> Message:
    line = (str(number * SECOND), str(number), "buy", "10", "2")
    return Message(number * SECOND, (number, number), (line,))


def csv_of(numbers: Sequence[int]) -> bytes:
    head = '"exchange","symbol","timestamp","local_timestamp","id","side","price","amount"\n'
    lines = [f'"x","A-B","{number * SECOND}","{number * SECOND}","{number}","buy","10","2"\n' for number in numbers]
    return "".join([head, *lines]).encode()


def certificate(
    ranges: list[tuple[int, int]], down: list[tuple[int, int]], unverifiable: str | None = None, end: Edge = UNKNOWN
) -> Certificate:
    """One that knows nothing of the time before second 1 and after second 9."""
    loss = SequenceSummary(1, 9, 9, 9 - sum(b - a + 1 for a, b in ranges), ranges, [], [], [], UNKNOWN, end)
    audit = MarketAudit(
        rows=0,
        sha256="0" * 64,
        records=0,
        unnumbered=0,
        loss=loss,
        unverifiable=unverifiable,
        burned_ids=[],
        agreement=ReplicaAudit(),
        downtime=Downtime(down, [(0, SECOND), (9 * SECOND + 1, 90 * SECOND)]),
        book=None,
        end_of_day=None,
    )
    return build_certificate(
        source="a-b",
        exchange="binance",
        data_type=TRADES,
        day=date(1970, 1, 1),
        rule="contiguous",
        unverifiable=unverifiable,
        systems=["primary"],
        file=PublishedFile(rows=0, bytes=0, sha256="0" * 64),
        made_by=Maker(booktape="0", sql_sha256="0" * 64),
        audits={"A-B": audit},
        ids={},
    )


def faults(
    row: Row, told: Certificate, numbers: Sequence[int] = (1, 2, 3, 6, 7, 8, 9), venue: str = "binance"
) -> Iterator[str]:
    sent = {Stream(TRADES, "A-B"): Sent([trade(number) for number in range(1, 10)])}
    case = Case(row, venue, SECOND, (4 * SECOND, 6 * SECOND))
    return iter(judge(case, sent, Published(TRADES, csv_of(numbers), told, [])).faults)


def test_a_certificate_that_names_the_lost_ids_is_the_truth() -> None:
    assert list(faults(LOSSY, certificate([(4, 5)], [(4 * SECOND, 6 * SECOND)]))) == []


def test_a_hidden_loss_is_found() -> None:
    assert list(faults(LOSSY, certificate([], []))) == ["A-B: missing, but not reported: [(4, 5)]"]
    assert list(faults(LOSSY, certificate([(4, 4)], []))) == [
        "A-B: missing, but not reported: [(4, 5)]",
        "A-B: reported as missing, but in the file: [(4, 4)]",
    ]


def test_an_invented_gap_is_found() -> None:
    invented = list(faults(LOSSY, certificate([(4, 5), (7, 7)], [])))
    assert invented == ["A-B: reported as missing, but in the file: [(7, 7)]"]


def test_downtime_without_a_fault_is_found_and_so_is_more_than_the_outage() -> None:
    whole = range(1, 10)
    quiet = Row("row", "")
    down = certificate([], [(4 * SECOND, 5 * SECOND)])
    assert list(faults(quiet, certificate([], []), whole)) == []
    assert list(faults(quiet, down, whole)) == ["A-B: declared without a fault: +0.00 s to +1.00 s of it"]
    long = certificate([(4, 5)], [(2 * SECOND, 6 * SECOND)])
    assert list(faults(LOSSY, long)) == ["A-B: declared beyond the outage of 2.00 s: -2.00 s to +2.00 s of it"]


def test_a_loss_after_the_last_record_is_found_and_so_is_an_edge_that_nobody_can_know() -> None:
    assert list(faults(LOSSY, certificate([(4, 5)], []), (1, 2, 3, 6, 7, 8))) == [
        "A-B: 1 messages lost after the last record"
    ]
    known = certificate([(4, 5)], [], end=Edge(True))
    assert list(faults(LOSSY, known)) == [
        "A-B: the day's end is called known, but no worker ran at midnight: "
        "DayEdge(missing=0, missing_ids=[], broken_links=[])"
    ]


def test_a_row_that_nobody_sent_is_found() -> None:
    found = list(faults(LOSSY, certificate([(4, 5)], []), (1, 2, 3, 6, 7, 8, 9, 9)))
    assert found == ["A-B: 1 rows that the venue did not send"]


def update(second: int) -> Message:
    return Message(second * SECOND, None, ((str(second * SECOND), "bid", "10", str(second)),))


def test_where_nothing_is_numbered_a_loss_must_lie_in_a_declared_interval() -> None:
    head = '"exchange","symbol","timestamp","local_timestamp","is_snapshot","side","price","amount"\n'
    lines = [f'"x","A-B","{n * SECOND}","{n * SECOND}","false","bid","10","{n}"\n' for n in (1, 2, 3, 6, 7, 8, 9)]
    content = "".join([head, *lines]).encode()
    sent = {Stream(BOOK_UPDATES, "A-B"): Sent([update(second) for second in range(1, 10)])}

    def found(down: list[tuple[int, int]], why: str, *, unseen: bool = False) -> list[str]:
        case = Case(replace(LOSSY, unseen=unseen), "kraken", SECOND, (4 * SECOND, 6 * SECOND))
        return judge(case, sent, Published(BOOK_UPDATES, content, certificate([], down, why), [])).faults

    assert found([(3_500_000, 5_500_000)], "checksum only") == []
    assert found([(3_500_000, 4_500_000)], "checksum only") == [
        "A-B: 1 messages lost in no declared interval, the first at 5000000"
    ]
    assert found([], "checksum only", unseen=True) != []
    assert found([], NO_SEQUENCE_RULE, unseen=True) == []  # nothing can show it, and the certificate says that
    assert found([], NO_SEQUENCE_RULE) != []  # who is cut off knows that


def test_ids_that_the_venue_skipped_are_missing_too_and_eras_are_counted_each_by_itself() -> None:
    sent = Sent([trade(1), trade(2), trade(5)], [(0, (3, 4))])
    assert missing_ids(sent, [True, True, True]) == [(3, 4)]
    anew = [replace(trade(number), epoch=1) for number in (1, 2, 3)]
    both = Sent([trade(101), trade(102), *anew])
    assert missing_ids(both, [True, True, True, False, True]) == [(2, 2)]


def test_a_quote_that_is_repeated_to_a_new_subscriber_is_no_other_one() -> None:
    head = '"exchange","symbol","timestamp","local_timestamp","ask_amount","ask_price","bid_price","bid_amount"\n'
    times = (1_000_000, 1_200_000, 5_000_000)
    content = (head + "".join(f'"x","A-B","{time}","{time}","4","3","1","2"\n' for time in times)).encode()
    quote = ("1", "2", "3", "4")
    other = ("1", "1", "1", "1")
    messages = [Message(1_000_000, None, (quote,))]
    messages += [Message(time, None, (other,)) for time in range(4_000_000, 4_900_000, 100_000)]
    matched = match(messages, read_rows(content, QUOTES)["A-B"], QUOTES)
    assert (matched.there, matched.surplus) == ([True] + 9 * [False], 1)


def test_the_ledger_is_read_with_what_the_venue_did_to_its_numbers(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    said = '"side":"buy","price":"1.50","amount":"2.0"'
    path.write_text(
        f'{{"type":"trade","market":"A-B","id":7,"timestamp":10,{said}}}\n'
        '{"type":"skip","market":"A-B","timestamp":11,"trades":[8,10],"updates":[3,4]}\n'
        '{"type":"reset","market":"A-B","timestamp":12,"last_trade":10,"last_update":4}\n'
        f'{{"type":"trade","market":"A-B","id":1,"timestamp":13,{said}}}\n'
    )
    sent = read_ledger(path)[Stream(TRADES, "A-B")]
    assert [(message.ids, message.epoch) for message in sent.messages] == [((7, 7), 0), ((1, 1), 1)]
    assert sent.messages[0].lines == (("10", "7", "buy", "1.5", "2"),)
    assert sent.skipped == [(0, (8, 10))]
