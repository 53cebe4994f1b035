"""Generates frames as the venues send them. The same seed gives the same bytes.

They have the fields of recorded frames. Levels lie around a fixed price; about half of them are removals, as in
recordings.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Final

from booktape.exchanges.kraken import DEPTH
from booktape.exchanges.kraken.spot_frames import checksum
from booktape.model.book import Book
from booktape.model.records import MINUTE, SECOND, Level

START: Final = int(datetime(2024, 8, 9, 12, tzinfo=UTC).timestamp()) * SECOND
"""The time of the first frame, µs."""

_SEED: Final = 20240809
_MIDDLE: Final = 6_183_763
_NEAR: Final = 2_500


def _amount(random: Random, zeros: float) -> str:
    return "0.00000000" if random.random() < zeros else f"{random.randrange(1, 2_00000000) / 1e8:.8f}"


def _side(random: Random, sign: int, count: int, *, zeros: float = 0.5, near: int = _NEAR) -> list[Level]:
    ticks = sorted(random.sample(range(1, near + 1), count))
    return [(f"{(_MIDDLE + sign * tick) / 100:.2f}", _amount(random, zeros)) for tick in ticks]


def _times(count: int, per_minute: int) -> Iterator[int]:
    return (START + number * MINUTE // per_minute for number in range(count))


def binance_trades(count: int, per_minute: int, *, aggregated: bool = False) -> list[bytes]:
    """``@trade`` frames of the combined stream, or ``@aggTrade``, which is what cryptofeed subscribes to."""
    random = Random(_SEED)
    kind = "aggTrade" if aggregated else "trade"
    frames = []
    for number, time in enumerate(_times(count, per_minute), start=3_735_683_259):
        ids = f'"a":{number},' if aggregated else f'"t":{number},'
        span = f'"f":{number},"l":{number},' if aggregated else ""
        price = (_MIDDLE + random.randrange(-_NEAR, _NEAR)) / 100
        frames.append(
            f'{{"stream":"btcusdt@{kind}","data":{{"e":"{kind}","E":{time // 1000 + 1},"s":"BTCUSDT",{ids}'
            f'"p":"{price:.2f}000000","q":"{_amount(random, 0)}",{span}"T":{time // 1000},'
            f'"m":{random.choice(("true", "false"))},"M":true}}}}'.encode()
        )
    return frames


def binance_depth(count: int, per_minute: int, levels: int) -> list[bytes]:
    """``@depth@100ms`` frames of the combined stream, each with so many levels, half of them bids."""
    random = Random(_SEED)
    frames = []
    first = 50_093_239_189
    for time in _times(count, per_minute):
        last = first + random.randrange(levels, 3 * levels)
        bids, asks = _padded(_side(random, -1, levels // 2)), _padded(_side(random, 1, levels - levels // 2))
        frames.append(
            f'{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{time // 1000},"s":"BTCUSDT",'
            f'"U":{first},"u":{last},"b":{bids},"a":{asks}}}}}'.encode()
        )
        first = last + 1
    return frames


def _padded(levels: list[Level]) -> str:
    return "[" + ",".join(f'["{price}000000","{amount}"]' for price, amount in levels) + "]"


def coinbase_books(count: int, per_minute: int, levels: int) -> list[bytes]:
    """``l2_data`` updates, each with so many levels."""
    random = Random(_SEED)
    frames = []
    for number, time in enumerate(_times(count, per_minute)):
        sides = (("bid", _side(random, -1, levels // 2)), ("offer", _side(random, 1, levels - levels // 2)))
        updates = ",".join(
            f'{{"side":"{side}","event_time":"{_iso(time)}","price_level":"{price}","new_quantity":"{amount}"}}'
            for side, changed in sides
            for price, amount in changed
        )
        frames.append(
            f'{{"channel":"l2_data","timestamp":"{_iso(time + 30_000)}","sequence_num":{number},'
            f'"events":[{{"type":"update","product_id":"BTC-USD","updates":[{updates}]}}]}}'.encode()
        )
    return frames


def kraken_books(count: int, per_minute: int, levels: int) -> list[bytes]:
    """A snapshot of the subscribed depth, then updates with so many levels, each with its checksum."""
    random = Random(_SEED)
    book = Book()
    frames = []
    for number, time in enumerate(_times(count, per_minute)):
        kind = "update" if number else "snapshot"
        size = levels if number else 2 * DEPTH
        zeros = 0.5 if number else 0.0
        bids, asks = _side(random, -1, size // 2, zeros=zeros), _side(random, 1, size - size // 2, zeros=zeros)
        book.apply(bids, asks)
        book.truncate(DEPTH)
        frames.append(
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":{_named(bids)},'
            f'"asks":{_named(asks)},"checksum":{checksum(book)},"timestamp":"{_iso(time)}"}}]}}'.encode()
        )
    return frames


def _named(levels: list[Level]) -> str:
    return "[" + ",".join(f'{{"price":{price},"qty":{amount}}}' for price, amount in levels) + "]"


def _iso(time: int) -> str:
    return f"{datetime.fromtimestamp(time / SECOND, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
