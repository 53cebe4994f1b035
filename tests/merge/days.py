"""A day with everything in it, for tests that go through all data types."""

from datetime import date

from msgspec import Raw

from booktape.model.records import BookSnapshot, BookUpdate, DerivativeTicker, Liquidation, Quote, Trade
from tests.merge.systems import Systems, at, put

DAY = date(2024, 8, 31)
NEXT = date(2024, 9, 1)


def record_a_day(systems: Systems) -> None:
    """Every data type in both systems, around midnight at the end of a month, with holes and copies."""
    start = at(DAY, 0)
    for number, store in enumerate((systems.primary, systems.replica)):
        kept = [i for i in range(40) if i % 7 != number]
        times = {i: start + i * 60_000_000 for i in kept}
        for market in ("BTC-USDT", "ETH-USDT"):
            put(
                store,
                *(Trade(i, times[i], "buy", f"{i}.10", '1"', times[i] + 5 + number) for i in kept),
                market=market,
            )
            put(store, *(Quote(i, None, "10", "1", "11", f"{i}", times[i] + number) for i in kept), market=market)
            put(store, *(update(i, times[i] + number) for i in kept), market=market)
            put(store, rest_snapshot(20, times[kept[-1]] + number), market=market)
            put(store, *(ticker(i, times[i], number) for i in kept), market=market)
            put(store, *(liquidation(i, times[i], number) for i in kept for _ in range(1 + i % 3)), market=market)
            put(store, *(liquidation(i, times[i], number) for i in kept[5:]), market=market)
        put(store, Trade(99, at(NEXT, -1), "sell", "5", "1", at(NEXT, number)), partition=NEXT)
        put(store, Trade(100, at(NEXT), "sell", "5", "1", at(NEXT, number)))


def update(number: int, sent: int) -> BookUpdate:
    return BookUpdate(
        first_id=number,
        last_id=number + 1,
        bids=Raw(b'[["10.0","%d"],["9.0","0"]]' % number),
        asks=Raw(b'[["11","1"]]'),
        local_timestamp=sent + 3,
        sent_timestamp=sent,
    )


def ticker(number: int, time: int, system: int) -> DerivativeTicker:
    """Every third tells no engine time, and each tells one or two fields."""
    return DerivativeTicker(
        timestamp=time if number % 3 else None,
        mark_price=f"{number}.50" if number % 2 else None,
        funding_rate="0.0001" if number % 5 == 0 else None,
        funding_timestamp=time + 9 if number % 5 == 0 else None,
        open_interest='1"' if number % 2 == 0 else None,
        local_timestamp=time + 5 + system,
    )


def liquidation(number: int, time: int, system: int) -> Liquidation:
    """Every other one has an id."""
    identifier = number if number % 2 else None
    return Liquidation(
        id=identifier, timestamp=time, side="sell", price="9.5", amount="2", local_timestamp=time + 5 + system
    )


def rest_snapshot(last: int, sent: int) -> BookSnapshot:
    bids, asks = Raw(b'[["8","1"]]'), Raw(b"[]")
    return BookSnapshot(
        last_id=last, bids=bids, asks=asks, origin="rest", local_timestamp=sent + 3, sent_timestamp=sent
    )
