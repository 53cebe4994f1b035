"""Reading across what is missing: it raises or marks, and never gives a silently wrong book."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from booktape import Archive
from booktape.archive import Coverage, Gap, GapError
from booktape.model.gap import GapCause, GapUnit, time_gap
from booktape.model.records import BOOK_UPDATES, DAY, MINUTE, QUOTES, SECOND, TRADES, BookUpdate, Trade
from booktape.model.timestamps import day_of
from booktape.publish.lifecycle import release_held_run
from booktape.publish.retries import GateFailedError
from booktape.publish.sources import DataSource
from booktape.store.layout import Run
from booktape.store.objects import Store, open_store
from tests.archive.nights import publish
from tests.archive.recorded import MARKET, MIDNIGHT, quote, record, record_minutes, snapshot, trade, update
from tests.archive.uptime_logs import listened
from tests.merge.systems import put


def second(number: float) -> int:
    return MIDNIGHT + round(number * SECOND)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


@pytest.fixture(params=["recorded", "published"])
def archive(request: pytest.FixtureRequest, store: Store) -> Iterator[Archive]:
    """Five minutes without seconds 100 to 119, of which nobody listened from second 200 to 240; nor after 310."""
    record_minutes(store, range(1, 301), without=range(100, 120))
    record(store, *(quote(number) for number in range(1, 301) if not 200 <= number < 240))
    listened(store, "binance", MIDNIGHT, without=[(second(200), second(240)), (second(310), second(400))])
    if request.param == "published":
        for data_type in (TRADES, BOOK_UPDATES, QUOTES):
            source = DataSource(f"binance-{data_type}", "binance", data_type, threshold=0)
            publish(store.url, source, day_of(MIDNIGHT))
    with Archive(store.url) as archive:
        yield archive


@pytest.fixture
def empty(store: Store) -> Iterator[Archive]:
    """An archive that the test itself fills."""
    with Archive(store.url) as archive:
        yield archive


def description(cause: GapCause) -> str:
    return Gap(GapUnit.TIME, cause=cause).description


LOST = Gap(GapUnit.ID, 100, 119, GapCause.LOST, TRADES, MARKET[1], second(99), second(120))


def test_reading_stops_at_the_gap(archive: Archive) -> None:
    numbers: list[int | str] = []
    trades = (one.id for one in archive.trades(*MARKET, second(90), second(130)))
    with pytest.raises(GapError) as raised:
        numbers.extend(trades)
    assert numbers == list(range(90, 100))
    assert raised.value.missing == LOST
    assert str(raised.value) == (
        "trades of binance BTC-USDT: the trades 100 to 119 are missing, between 2024-08-09T00:01:39Z and "
        '2024-08-09T00:02:00Z; choose another range, or read across the gap with gaps="mark"'
    )


def test_a_mark_stands_in_its_place(archive: Archive) -> None:
    rows = archive.trades(*MARKET, second(98), second(122), gaps="mark")
    assert list(rows) == [trade(98), trade(99), LOST, trade(120), trade(121)]
    assert rows.missing == [LOST]


@pytest.mark.parametrize(("start", "end"), [(0, 99), (121, 200), (121, 301)])
def test_beside_the_gap_nothing_is_told_of_it(archive: Archive, start: int, end: int) -> None:
    """Whoever was connected: the ids say that nothing is missing from second 200 to 240."""
    rows = archive.trades(*MARKET, second(start), second(end))
    assert [one.id for one in rows] == list(range(max(start, 1), end))
    assert rows.missing == []


@pytest.mark.parametrize("inside", [(105, 110), (99.5, 100.5), (110, 121)])
def test_a_stretch_inside_the_gap_is_not_empty_but_missing(archive: Archive, inside: tuple[float, float]) -> None:
    with pytest.raises(GapError):
        list(archive.trades(*MARKET, *map(second, inside)))


def test_a_table_is_not_made_across_a_gap_unless_asked_for(archive: Archive) -> None:
    with pytest.raises(GapError):
        archive.trades(*MARKET, second(90), second(130)).to_arrow()
    assert archive.trades(*MARKET, second(90), second(130), gaps="mark").to_arrow().num_rows == 20


def test_after_the_last_record_the_ledger_tells(archive: Archive) -> None:
    assert list(archive.trades(*MARKET, second(301), second(309))) == []
    with pytest.raises(GapError, match=description(GapCause.DOWN)):
        list(archive.trades(*MARKET, second(301), second(320)))


def test_what_is_not_numbered_is_missing_when_nobody_listened(archive: Archive) -> None:
    """They tell no time of the exchange's to judge the ledger's clock by: a second is added to be sure."""
    lost = time_gap(QUOTES, MARKET[1], second(199), second(241), GapCause.DOWN)
    found = list(archive.quotes(*MARKET, second(197), second(242), gaps="mark"))
    assert [one if isinstance(one, Gap) else one.id for one in found] == [197, 198, lost, 199, 240, 241]
    assert len(list(archive.quotes(*MARKET, second(90), second(130)))) == 40


def test_the_book_is_not_known_from_the_gap_until_the_next_snapshot(archive: Archive, store: Store) -> None:
    lost = (100, 119)
    assert archive.book(*MARKET, second(98.5)).bids == (("100.0", "98"), ("99.0", "1"))
    for at in (99.5, 110, 120, 200):
        with pytest.raises(GapError) as raised:
            archive.book(*MARKET, second(at))
        assert (raised.value.missing.first, raised.value.missing.last) == lost
        marked = archive.book(*MARKET, second(at), gaps="mark")
        assert not marked.sound
        assert marked.missing == raised.value.missing


def test_a_later_snapshot_makes_the_book_right_again(empty: Archive, store: Store) -> None:
    record_minutes(store, range(1, 301), without=range(100, 120))
    record(store, snapshot(150))
    with pytest.raises(GapError):
        empty.book(*MARKET, second(149.5))
    assert empty.book(*MARKET, second(150)).bids == (("100.0", "150"), ("99.0", "1"))
    assert empty.book(*MARKET, second(299)).bids == (("100.0", "299"), ("99.0", "1"))
    sound = [view.sound for view in empty.books(*MARKET, second(90), second(170), 10, gaps="mark")]
    assert sound == [True] + [False] * 5 + [True] * 2


def test_books_that_are_asked_for_before_the_first_snapshot_begin_with_it(empty: Archive, store: Store) -> None:
    record(store, *map(update, range(1, 121)))
    record(store, snapshot(50))
    asked = (second(20), second(90), 10)
    views = list(empty.books(*MARKET, *asked, gaps="mark"))
    assert [view.sound for view in views] == [False] * 3 + [True] * 4
    assert views == [empty.book(*MARKET, second(at), gaps="mark") for at in range(20, 90, 10)]
    with pytest.raises(GapError, match="there is no snapshot of the book"):
        list(empty.books(*MARKET, *asked))


def test_a_snapshot_that_came_a_minute_after_its_update_is_found(empty: Archive, store: Store) -> None:
    """It has its update's place, and lies in the minute in which it came."""
    record(store, *map(update, range(1, 121)))
    put(store, structs.replace(snapshot(58), local_timestamp=second(60.3)))
    assert empty.book(*MARKET, second(58.5)).bids == (("100.0", "58"), ("99.0", "1"))
    assert empty.book(*MARKET, second(59)).bids == (("100.0", "59"), ("99.0", "1"))
    assert not empty.book(*MARKET, second(57), gaps="mark").sound


def test_before_the_first_snapshot_there_is_no_book(empty: Archive, store: Store) -> None:
    record(store, *map(update, range(1, 60)))
    with pytest.raises(GapError, match="there is no snapshot of the book"):
        empty.book(*MARKET, second(30))
    nothing = empty.book(*MARKET, second(30), gaps="mark")
    assert (nothing.sound, nothing.bids, nothing.asks) == (False, (), ())


def test_after_the_last_message_the_book_is_known_as_long_as_somebody_listened(archive: Archive) -> None:
    views = {at: archive.book(*MARKET, second(at), gaps="mark") for at in (305, 320)}
    assert {at: view.missing.description if view.missing else None for at, view in views.items()} == {
        305: "the update ids 100 to 119 are missing",
        320: "the update ids 100 to 119 are missing",
    }


def test_without_a_ledger_nobody_knows_what_came_last(empty: Archive, store: Store) -> None:
    record_minutes(store, range(1, 60))
    assert empty.book(*MARKET, second(58)).sound
    with pytest.raises(GapError, match=description(GapCause.UNKNOWN)):
        empty.book(*MARKET, second(70))


def test_replay_tells_each_stream_and_marks_what_is_missing(archive: Archive) -> None:
    events = list(archive.replay(["binance:BTC-USDT"], second(98), second(121)))
    told = [(event.time, type(event.record).__name__) for event in events]
    assert told == sorted(told, key=lambda one: one[0])
    assert [name for _, name in told] == [
        "BookSnapshot", "Trade", "BookUpdate", "Trade", "Gap", "BookUpdate", "Gap", "Trade", "BookUpdate",
    ]  # fmt: skip
    first = events[0].record
    assert (first.last_id, first.origin, first.timestamp) == (97, "derived", second(98))  # type: ignore[union-attr]  # told above
    assert {type(event.record) for event in events} >= {Trade, BookUpdate, Gap}


def test_replay_across_a_gap_raises_if_asked_to(archive: Archive) -> None:
    with pytest.raises(GapError):
        list(archive.replay(["binance:BTC-USDT"], second(98), second(121), gaps="raise"))


def test_coverage_hides_nothing(archive: Archive) -> None:
    found = archive.coverage(*MARKET, second(0), second(300))
    assert found == Coverage(
        *MARKET, TRADES, second(0), second(300),
        recorded=[(second(0), second(99)), (second(120), second(300))],
        missing=[(second(99), second(120))],
        unknown=[],
        losses=[LOST],
    )  # fmt: skip
    quotes = archive.coverage(*MARKET, second(0), second(350), data_type=QUOTES)
    assert quotes.missing == [(second(199), second(241)), (second(309), second(350))]
    assert not quotes.is_whole
    assert quotes.share == pytest.approx(267 / 350)


def test_a_day_without_a_ledger_is_unknown(empty: Archive, store: Store) -> None:
    record_minutes(store, range(1, 60))
    found = empty.coverage(*MARKET, MIDNIGHT, MIDNIGHT + 2 * MINUTE)
    assert (found.recorded, found.missing) == ([(second(1), second(59))], [])
    assert found.unknown == [(second(0), second(1)), (second(59), second(120))]


def test_numbers_that_begin_anew_are_no_hole_but_nobody_knows_what_was_lost(empty: Archive, store: Store) -> None:
    def renumbered(number: int, by: int) -> Trade:
        return structs.replace(trade(number), id=number + by)

    record(store, *(renumbered(number, 5_000) for number in range(1, 31)))
    record(store, *(renumbered(number, -40) for number in range(50, 91)))
    rows = empty.trades(*MARKET, second(1), second(90), gaps="mark")
    assert [one.id for one in rows if isinstance(one, Trade)] == [*range(5_001, 5_031), *range(10, 50)]
    assert rows.missing == [time_gap(TRADES, MARKET[1], second(30), second(50), GapCause.RESET)]
    assert len(list(empty.trades(*MARKET, second(50), second(90)))) == 40


def test_numbers_that_were_used_up_for_nothing_are_not_missing(store: Store) -> None:
    void = [structs.replace(trade(number), amount="0") for number in (10, 11, 20)]
    kept = [trade(number) for number in range(1, 31) if number not in (10, 11, 20, 25)]
    record(store, *sorted([*kept, *void], key=lambda one: one.timestamp))
    with Archive(store.url) as archive:
        rows = archive.trades(*MARKET, second(1), second(30), gaps="mark")
        assert [(one.first, one.last) for one in rows.missing] == [(25, 25)]
        assert len([one for one in rows if isinstance(one, Trade)]) == 25


@pytest.mark.parametrize("published", [False, True])
def test_a_day_without_a_record_is_not_quiet_if_the_days_around_it_tell_otherwise(
    empty: Archive, store: Store, published: bool
) -> None:
    def at(number: int, time: int) -> Trade:
        return structs.replace(trade(number), timestamp=time, local_timestamp=time + 9)

    for day in (MIDNIGHT - DAY, MIDNIGHT, MIDNIGHT + DAY):
        listened(store, "binance", day)
    record(store, *map(trade, range(1, 100)))
    lost = ("binance", "ETH-USDT")
    put(store, at(1, MIDNIGHT - 2 * SECOND), at(2, MIDNIGHT - SECOND), market="ETH-USDT")
    put(store, at(6, MIDNIGHT + DAY + SECOND), market="ETH-USDT")
    if published:
        source = DataSource("binance-trades", "binance", TRADES)
        with pytest.raises(GateFailedError):
            publish(store.url, source, day_of(MIDNIGHT))
        release_held_run(store, Run(source.name, day_of(MIDNIGHT), 1), "somebody", "so that it can be read")
        publish(store.url, source, day_of(MIDNIGHT))
    rows = empty.trades(*lost, MIDNIGHT - MINUTE, MIDNIGHT + DAY + MINUTE, gaps="mark")
    assert [one.id for one in rows if isinstance(one, Trade)] == [1, 2, 6]
    assert {(one.first, one.last) for one in rows.missing} == {(3, 5)}
    (told,) = empty.trades(*lost, MIDNIGHT + MINUTE, MIDNIGHT + DAY - MINUTE, gaps="mark").missing
    assert (told.first, told.last) == (3, 5)
