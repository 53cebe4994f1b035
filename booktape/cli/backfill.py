"""``booktape heal``: fetch now what no system has of a day's trades."""

from typing import Annotated

import typer

from booktape.cli.publish import Replica, Storage
from booktape.cli.terminal import AsJson, out, print_json
from booktape.merge import Merge
from booktape.merge.inputs import require_markets
from booktape.model.errors import BooktapeError
from booktape.publish.days import past_day
from booktape.publish.file_steps import is_backfilled
from booktape.rest.backfill_results import BackfillResult
from booktape.store.objects import open_store
from config.backfill import open_backfiller
from config.console import err
from config.settings import load_settings, require_primary
from config.sources import load_sources


class CannotBackfillError(BooktapeError):
    """Nothing of this source can be fetched."""


def heal(
    source: Annotated[str, typer.Argument(help="A data source of trades, as binance-trades.")],
    day: Annotated[str, typer.Argument(help="A day that is over, as 2019-10-25.")],
    storage: Storage = None,
    replica: Replica = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the trades of a day that neither system has from the venue's REST API, in this process.

    The nightly chain does this before each merge. What is fetched lies below rest/ in the storage; a day that was
    published before needs `booktape republish` to get it.

    Example: booktape heal binance-trades 2019-10-25
    """
    changes = {name: url for name, url in (("storage", storage), ("replica", replica)) if url is not None}
    settings = load_settings().model_copy(update=changes)
    require_primary(settings)
    chosen, sources = past_day(day), load_sources(settings.sources)
    if source not in sources or not is_backfilled(sources[source]):
        able = ", ".join(sorted(name for name, found in sources.items() if is_backfilled(found))) or "none"
        raise CannotBackfillError(f"past trades of {source!r} cannot be fetched; sources that can be healed: {able}")
    urls = {"primary": settings.storage, "replica": settings.replica}
    systems = {name: open_store(url, make=False) for name, url in urls.items() if url is not None}
    require_markets(systems, Merge(sources[source].exchange, sources[source].data_type, chosen))
    with err.status(f"healing {source} {chosen}"):
        healing = open_backfiller(settings)(sources[source].exchange, chosen)
    if as_json:
        print_json({"source": source, "day": str(chosen), **_told(healing)})
    else:
        _print(source, healing)


def _told(healing: BackfillResult) -> dict[str, object]:
    markets = {
        name: {
            "holes": market.holes,
            "missing": market.missing,
            "healed": market.healed,
            "still_missing": market.still_missing,
            "why": market.why,
        }
        for name, market in sorted(healing.markets.items())
    }
    return {"missing": healing.missing, "healed": healing.healed, "why": healing.why, "markets": markets}


def _print(source: str, healing: BackfillResult) -> None:
    for name, market in sorted(healing.markets.items()):
        holes = f"{market.holes:,} hole{'' if market.holes == 1 else 's'}"
        why = f"; {market.why}" if market.why is not None else ""
        told = f"{name}: {market.healed:,} of {market.missing:,} missing trades healed, in {holes}{why}"
        out.print(told, highlight=False, markup=False, soft_wrap=True)
    if not healing.markets:
        out.print(f"{source}: nothing is missing between what was recorded", highlight=False, soft_wrap=True)
    if healing.why is not None:
        out.print(f"not healed any further: {healing.why}", highlight=False, markup=False, soft_wrap=True)
