"""Integer ticks as the decimal text that venues send. Never through a float."""

from collections.abc import Iterable

from sandbox.exchanges.book import Level

TextLevel = list[str]
"""[price, amount] as the venue wrote them."""


def fixed(ticks: int, decimals: int) -> str:
    """`ticks` * 10^-decimals with exactly that many decimals: fixed(6183763, 2) == "61837.63". Not for negatives."""
    if not decimals:
        return str(ticks)
    digits = str(ticks).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def padded(ticks: int, decimals: int, width: int) -> str:
    """The same value written with `width` ≥ decimals decimals: padded(6183763, 2, 8) == "61837.63000000"."""
    return fixed(ticks * 10 ** (width - decimals), width)


def trimmed(ticks: int, decimals: int) -> str:
    """The same value without trailing zeros: trimmed(6183760, 2) == "61837.6", trimmed(0, 8) == "0"."""
    text = fixed(ticks, decimals)
    return text.rstrip("0").rstrip(".") if decimals else text


class Renderer:
    """How one venue writes one market's numbers. The base writes all decimals, zeros included."""

    def __init__(self, price_decimals: int, amount_decimals: int) -> None:
        self.price_decimals = price_decimals
        self.amount_decimals = amount_decimals

    def price(self, ticks: int) -> str:
        """A price in ticks as text."""
        return fixed(ticks, self.price_decimals)

    def amount(self, ticks: int) -> str:
        """An amount in ticks as text."""
        return fixed(ticks, self.amount_decimals)

    def levels(self, levels: Iterable[Level]) -> list[TextLevel]:
        """Levels as [price, amount] texts."""
        return [[self.price(price), self.amount(amount)] for price, amount in levels]


class PaddedRenderer(Renderer):
    """Always eight decimals, whatever the tick: Binance."""

    WIDTH = 8

    def price(self, ticks: int) -> str:
        return padded(ticks, self.price_decimals, self.WIDTH)

    def amount(self, ticks: int) -> str:
        return padded(ticks, self.amount_decimals, self.WIDTH)


class TrimmedRenderer(Renderer):
    """No trailing zeros: Coinbase."""

    def price(self, ticks: int) -> str:
        return trimmed(ticks, self.price_decimals)

    def amount(self, ticks: int) -> str:
        return trimmed(ticks, self.amount_decimals)
