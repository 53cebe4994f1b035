"""``booktape watch``: the newest record of each market in the terminal, from Redis."""

import time
from typing import Annotated, Any, Final

import typer
from msgspec import to_builtins
from redis import Redis
from rich.live import Live
from rich.table import Table
from rich.text import Text

from booktape.cli.options import AsJson
from booktape.cli.terminal import out, print_json
from booktape.exchanges import exchange as known_exchange
from booktape.model.errors import NotAvailableError
from booktape.model.records import SECOND
from booktape.model.symbols import is_selected
from booktape.store import clock
from booktape.store.live_cache import Latest, connect_redis, latest, live_exchanges
from config.settings import load_settings
from workers.options import market_names

_OLD: Final = 10 * SECOND

Watched = dict[str, dict[str, Latest]]
"""By exchange and market."""


class NothingRecordedError(NotAvailableError):
    """No worker keeps the newest records of its markets in Redis."""


def watch(
    exchange: Annotated[str | None, typer.Argument(help="An exchange's id. Default: all that are recorded.")] = None,
    markets: Annotated[str, typer.Option(help="A list such as BTC-USDT,*-EUR, or all.")] = "all",
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between updates.")] = 0.5,
    once: Annotated[bool, typer.Option("--once", help="Print the values once, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show each market's last trade and best bid and ask, as `booktape record --live` keeps them in Redis.

    Runs until Ctrl-C. With --json it prints one object per update, for programs.

    Example: booktape watch binance --markets BTC-USDT,ETH-USDT
    """
    if exchange is not None:
        known_exchange(exchange)  # a wrong name is an error of its own
    client = connect_redis(load_settings().redis_url)
    names = market_names(markets)
    found = _read(client, exchange, names)
    if not any(found.values()):
        raise NothingRecordedError(
            f"no worker keeps live values of {exchange or 'any exchange'} ({markets}): "
            "start one with `booktape record --live`"
        )
    if as_json:
        _print_all(client, exchange, names, every, once=once)
    elif once:
        out.print(_table(found))
    else:
        _show_all(client, exchange, names, every)


def _read(client: "Redis[bytes]", exchange: str | None, names: tuple[str, ...]) -> Watched:
    found: Watched = {}
    for one in [exchange] if exchange is not None else live_exchanges(client):
        newest = latest(client, one)
        found[one] = {market: values for market, values in newest.items() if is_selected(market, names)}
    return found


def _print_all(
    client: "Redis[bytes]", exchange: str | None, names: tuple[str, ...], every: float, *, once: bool
) -> None:
    while True:
        print_json(to_builtins(_read(client, exchange, names)))
        if once:
            return
        time.sleep(every)


def _show_all(client: "Redis[bytes]", exchange: str | None, names: tuple[str, ...], every: float) -> None:
    with Live(console=out, auto_refresh=False) as screen:
        try:
            while True:
                screen.update(_table(_read(client, exchange, names)), refresh=True)
                time.sleep(every)
        except KeyboardInterrupt:
            pass


def _table(found: Watched) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("exchange", "market"):
        table.add_column(name)
    for name in ("last", "amount", "side", "bid amount", "bid", "ask", "ask amount", "age"):
        table.add_column(name, justify="right")
    for exchange, markets in found.items():
        for market, one in markets.items():
            table.add_row(exchange, market, *_cells(one))
    return table


def _cells(one: Latest) -> list[Any]:
    trade, top = one.trade, one.top
    last = [trade.price, trade.amount, trade.side] if trade is not None else ["", "", ""]
    bid = top.bids[0] if top is not None and top.bids else ("", "")
    ask = top.asks[0] if top is not None and top.asks else ("", "")
    received = max((item.local_timestamp for item in (trade, top) if item is not None), default=0)
    age = clock.now() - received
    shown = Text(f"{age / SECOND:.1f} s", style="red" if age > _OLD else "")
    return [*last, bid[1], Text(bid[0], style="green"), Text(ask[0], style="red"), ask[1], shown]
