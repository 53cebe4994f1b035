"""The payloads of Binance spot's streams, field for field as recorded on 2024-08-08.

Source: "Trade Streams", "Individual Symbol Book Ticker Streams" and "Diff. Depth Stream" of
github.com/binance/binance-spot-api-docs `web-socket-streams.md`.
"""

from dataclasses import dataclass
from functools import cached_property

from sandbox.exchanges.market import TakerSide
from sandbox.exchanges.text import TextLevel


class Payload:
    """A message's data. Times are kept in ms and written in ms (`scale` 1) or µs (`scale` 1000)."""

    @cached_property
    def plain(self) -> str:
        """The text that connections get by default, written once for all of them."""
        return self.text(0, 1)

    def text(self, shift: int, scale: int) -> str:
        """The JSON, with the sending time `E` later by `shift` ms."""
        raise NotImplementedError


@dataclass
class TradeUpdate(Payload):
    """`<symbol>@trade`."""

    symbol: str
    event_time: int
    id: int
    price: str
    amount: str
    trade_time: int
    taker_side: TakerSide

    def text(self, shift: int, scale: int) -> str:
        buyer_is_maker = "true" if self.taker_side == "sell" else "false"
        return (
            f'{{"e":"trade","E":{(self.event_time + shift) * scale},"s":"{self.symbol}","t":{self.id},'
            f'"p":"{self.price}","q":"{self.amount}","T":{self.trade_time * scale},"m":{buyer_is_maker},"M":true}}'
        )


@dataclass
class BestQuote(Payload):
    """`<symbol>@bookTicker`: it carries no time at all."""

    symbol: str
    update_id: int
    bid: TextLevel
    ask: TextLevel

    def text(self, shift: int, scale: int) -> str:
        return (
            f'{{"u":{self.update_id},"s":"{self.symbol}","b":"{self.bid[0]}","B":"{self.bid[1]}",'
            f'"a":"{self.ask[0]}","A":"{self.ask[1]}"}}'
        )


@dataclass
class DepthUpdate(Payload):
    """`<symbol>@depth` and `<symbol>@depth@100ms`: absolute amounts by price, update ids U..u."""

    symbol: str
    event_time: int
    first_id: int
    last_id: int
    bids: dict[str, str]
    asks: dict[str, str]

    def text(self, shift: int, scale: int) -> str:
        return (
            f'{{"e":"depthUpdate","E":{(self.event_time + shift) * scale},"s":"{self.symbol}",'
            f'"U":{self.first_id},"u":{self.last_id},"b":{_levels(self.bids)},"a":{_levels(self.asks)}}}'
        )

    def merge(self, later: "DepthUpdate") -> "DepthUpdate":
        """Both windows as one; the later amounts count."""
        return DepthUpdate(
            self.symbol,
            later.event_time,
            self.first_id,
            later.last_id,
            {**self.bids, **later.bids},
            {**self.asks, **later.asks},
        )


def _levels(levels: dict[str, str]) -> str:
    return "[" + ",".join(f'["{price}","{amount}"]' for price, amount in levels.items()) + "]"
