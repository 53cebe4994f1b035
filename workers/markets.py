"""``booktape markets``: the instruments of an exchange."""

from typing import Annotated, Final

import httpx
import typer
from msgspec import structs
from rich.table import Table

from booktape.cli.options import AsJson, ExchangeName
from booktape.cli.terminal import out, print_json
from booktape.exchanges import exchange as find_exchange
from booktape.model.records import TRADING, Instrument
from booktape.model.symbols import ALL, matching_markets
from booktape.rest.instruments import fetch_instruments
from booktape.rest.rate_limits import LocalRateLimiter
from config.settings import load_settings
from config.venues import load_venues

_TIMEOUT_SECONDS: Final = 20


def markets(
    exchange: ExchangeName,
    only: Annotated[str, typer.Option(help="A list such as BTC-USDT,*-PERP.")] = ALL,
    every_status: Annotated[bool, typer.Option("--every-status", help="Also those that are not trading now.")] = False,
    rest_url: Annotated[str | None, typer.Option(help="Another address than the exchange's own.")] = None,
    as_json: AsJson = False,
) -> None:
    """List an exchange's instruments, as its REST API reports them now.

    Example: booktape markets kraken --only 'BTC-*'
    """
    venue = find_exchange(exchange)
    with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
        base = rest_url or _configured_url(exchange)
        instruments = fetch_instruments(venue, LocalRateLimiter(venue.id), client, base=base)
    names = [name.strip() for name in only.split(",")]
    found = matching_markets(names, instruments, every_status=every_status)
    if as_json:
        print_json([_fields(instrument) for instrument in found])
        return
    table = Table("market", "symbol", "kind", "tick", "lot", "contract", "status", box=None, pad_edge=False)
    for instrument in found:
        table.add_row(
            instrument.market,
            instrument.symbol,
            instrument.kind,
            instrument.price_increment,
            instrument.amount_increment,
            instrument.contract_size,
            instrument.status,
        )
    out.print(table)
    trading = sum(instrument.status == TRADING for instrument in instruments)
    out.print(f"{len(found):,} of {len(instruments):,} instruments, of which {trading:,} are trading")


def _configured_url(exchange: str) -> str | None:
    """The REST address that ``venues.yaml`` gives, if there is one."""
    venue = load_venues(load_settings().venues).get(exchange)
    return venue.rest_url if venue is not None else None


def _fields(instrument: Instrument) -> dict[str, object]:
    fields = structs.asdict(instrument)
    return {name: value for name, value in fields.items() if name != "local_timestamp"}
