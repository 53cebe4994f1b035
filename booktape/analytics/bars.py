"""Bars of one market's trades: by time, by number of trades, by volume. Prices are text, sums exact.

The trades come in order, as published; a :class:`~booktape.model.gap.Gap` of trades stands before the first
trade after it, and every bar that it touches is not sound.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from booktape.analytics.book_sampler import GapBuffer
from booktape.analytics.book_view import BUY
from booktape.analytics.decimals import ZERO, add, decimal, divide, format_decimal, multiply
from booktape.analytics.time_grid import NotInOrderError, begin, microseconds
from booktape.model.errors import InvalidInputError
from booktape.model.gap import Gap
from booktape.model.records import TRADES, Trade

Empty = Literal["skip", "fill"]


class InvalidBarsError(InvalidInputError):
    """The number of trades or the volume of a bar is not positive."""


class Bar(NamedTuple):
    """One bar. Times in µs, UTC; prices are the venue's text, sums plain decimal text.

    ``start`` and ``end`` (not included) are the interval of a time bar; of others, they reach from the first trade to
    just after the last. ``open`` to ``close`` and ``vwap`` (28 digits) are None where there was no trade, but a filled
    bar has the close before it. ``quote_volume`` is the sum of price times amount, ``buy_volume`` what takers bought.
    ``sound``: nothing is known to be missing. ``complete``: the trades given reach over the whole
    interval, or the bar ended as its kind does.
    """

    start: int
    end: int
    open: str | None
    high: str | None
    low: str | None
    close: str | None
    volume: str
    quote_volume: str
    buy_volume: str
    vwap: str | None
    trades: int
    first_time: int | None
    last_time: int | None
    sound: bool
    complete: bool


BAR_COLUMNS: Final = Bar._fields


def time_bars(
    trades: Iterable[Trade | Gap],
    every: float | str | Decimal | timedelta,
    *,
    start: int | None = None,
    end: int | None = None,
    empty: Empty = "skip",
) -> Iterator[Bar]:
    """Bars of whole multiples of ``every`` (seconds or a timedelta) since the epoch, half-open, in UTC.

    :param start: the beginning of the range that the trades cover (µs). Without it, the first bar is not ``complete``.
    :param end: the end of that range (µs, exclusive). Without it, the last bar is not ``complete``. Nor is a bar that
        reaches beyond the range.
    :param empty: ``skip`` leaves intervals without a trade out; ``fill`` gives them the close before. An interval that
        a gap touches always has a bar.

    Raises :class:`~booktape.analytics.time_grid.InvalidIntervalError`, and
    :class:`~booktape.analytics.time_grid.NotInOrderError` for times that go back or lie outside the range.
    """
    length = microseconds(every)
    lost = GapBuffer(TRADES)
    stretch = _Window(start, end)
    reached = begin(start, length) if start is not None else None
    close = None

    def empties(since: int, until: int) -> Iterator[Bar]:
        if empty == "fill" or lost.touches(since, until):
            for at in range(since, until, length):
                touched = lost.touches(at, at + length)
                if empty == "fill" or touched:
                    yield _Growing(close).closed(at, at + length, not touched, stretch.holds(at, at + length))

    for at, bar, is_last in _by_interval(trades, length, lost, stretch):
        if reached is not None:
            yield from empties(reached, at)
        known = reached is not None and not (is_last and end is None)
        sound = not lost.touches(at, at + length)
        yield bar.closed(at, at + length, sound, known and stretch.holds(at, at + length))
        reached, close = at + length, bar.last_price if empty == "fill" else None
        lost.forget(reached)
    if reached is not None and end is not None:
        yield from empties(reached, end)


def tick_bars(trades: Iterable[Trade | Gap], every: int) -> Iterator[Bar]:
    """Bars of ``every`` trades each; the last one is not complete if it has fewer. Raises :class:`InvalidBarsError`."""
    if every < 1:
        raise InvalidBarsError(f"bars cannot have {every} trades each; expected 1 or more")
    return _counted(trades, lambda bar: bar.count >= every)


def volume_bars(trades: Iterable[Trade | Gap], every: Decimal | float | str) -> Iterator[Bar]:
    """Bars that end with the trade by which their volume (in the unit of the amounts) reaches ``every``.

    No trade is divided, so a bar may hold more. The last one is not complete if it holds less.
    Raises :class:`InvalidBarsError`.
    """
    wanted = decimal(every)
    if wanted <= 0:
        raise InvalidBarsError(f"bars cannot have a volume of {every} each; expected more than 0")
    return _counted(trades, lambda bar: bar.volume >= wanted)


def _by_interval(
    trades: Iterable[Trade | Gap], length: int, lost: GapBuffer, stretch: "_Window"
) -> Iterator[tuple[int, "_Growing", bool]]:
    """Each interval with a trade: when it begins, its bar, and whether it is the last one. Fills ``lost`` ahead."""
    at: int | None = None
    bar = _Growing()
    for trade in trades:
        if isinstance(trade, Gap):
            lost.add(trade)
            continue
        stretch.require(trade.timestamp)
        now = begin(trade.timestamp, length)
        if at is not None and now != at:
            if now < at:
                raise NotInOrderError(
                    f"a trade at {trade.timestamp} comes after the interval from {at}: sort them by time"
                )
            yield at, bar, False
            bar = _Growing()
        at = now
        bar.add(trade)
    if at is not None:
        yield at, bar, True


def _counted(trades: Iterable[Trade | Gap], is_full: "Callable[[_Growing], bool]") -> Iterator[Bar]:
    lost = GapBuffer(TRADES)
    bar, since_last_bar = _Growing(), False
    for trade in trades:
        if isinstance(trade, Gap):
            since_last_bar = lost.add(trade) or since_last_bar
            continue
        bar.add(trade)
        if is_full(bar):
            yield bar.counted(lost, since_last_bar, complete=True)
            bar, since_last_bar = _Growing(), False
            lost.forget(trade.timestamp)
    if bar.count:
        yield bar.counted(lost, since_last_bar, complete=False)


class _Window(NamedTuple):
    """The range that the trades cover, half-open; None where an end is not given."""

    start: int | None
    end: int | None

    def holds(self, start: int, end: int) -> bool:
        return (self.start is None or self.start <= start) and (self.end is None or end <= self.end)

    def require(self, time: int) -> None:
        if not self.holds(time, time + 1):
            raise NotInOrderError(
                f"a trade at {time} lies outside the stretch from {self.start} to {self.end}: leave it out"
            )


class _Growing:
    """A bar that trades are added to."""

    __slots__ = (
        "bought", "count", "first_time", "high", "highest", "last_price", "last_time", "low", "lowest", "open", "paid",
        "volume",
    )  # fmt: skip

    def __init__(self, close_before: str | None = None) -> None:
        self.open = self.high = self.low = self.last_price = close_before
        self.highest = self.lowest = ZERO
        self.volume = self.paid = self.bought = ZERO
        self.count = 0
        self.first_time: int | None = None
        self.last_time: int | None = None

    def add(self, trade: Trade) -> None:
        price, amount = decimal(trade.price), decimal(trade.amount)
        if not self.count:
            self.open, self.first_time = trade.price, trade.timestamp
        if not self.count or price > self.highest:
            self.high, self.highest = trade.price, price
        if not self.count or price < self.lowest:
            self.low, self.lowest = trade.price, price
        self.last_price, self.last_time = trade.price, trade.timestamp
        self.volume = add(self.volume, amount)
        self.paid = add(self.paid, multiply(price, amount))
        if trade.side == BUY:
            self.bought = add(self.bought, amount)
        self.count += 1

    def counted(self, lost: GapBuffer, since_last_bar: bool, *, complete: bool) -> Bar:
        """The bar of a number of trades. What was lost since the bar before would have been part of this one."""
        assert self.first_time is not None
        assert self.last_time is not None
        end = self.last_time + 1
        sound = not since_last_bar and not lost.touches(self.first_time, end)
        return self.closed(self.first_time, end, sound, complete)

    def closed(self, start: int, end: int, sound: bool, complete: bool) -> Bar:
        return Bar(
            start=start,
            end=end,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.last_price,
            volume=format_decimal(self.volume),
            quote_volume=format_decimal(self.paid),
            buy_volume=format_decimal(self.bought),
            vwap=format_decimal(divide(self.paid, self.volume)) if self.volume else None,
            trades=self.count,
            first_time=self.first_time,
            last_time=self.last_time,
            sound=sound,
            complete=complete,
        )
