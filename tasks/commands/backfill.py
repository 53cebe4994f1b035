"""``booktape heal``: backfill a day's trades that no system recorded."""

from booktape.cli.console import err
from booktape.cli.options import AsJson, DayText, Replica, SourceName, Storage
from booktape.cli.terminal import print_json, print_line
from booktape.merge import Merge
from booktape.merge.inputs import require_markets
from booktape.model.errors import InvalidInputError
from booktape.publish.days import past_day
from booktape.publish.file_steps import is_backfilled
from booktape.rest.backfill_results import BackfillResult
from booktape.store.objects import open_store
from config.backfill import open_backfiller
from config.settings import load_settings, require_primary
from config.sources import load_sources


class CannotBackfillError(InvalidInputError):
    """The records of this source cannot be fetched afterwards."""


def heal(
    source: SourceName,
    day: DayText,
    storage: Storage = None,
    replica: Replica = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the trades of a day that neither system has from the exchange's REST API, in this process.

    The nightly chain does this before each merge. Fetched trades are stored below rest/; a day that is already
    published needs `booktape republish` to include them.

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
        result = open_backfiller(settings)(sources[source].exchange, chosen)
    if as_json:
        print_json({"source": source, "day": str(chosen), **_fields(result)})
    else:
        _print(source, result)


def _fields(result: BackfillResult) -> dict[str, object]:
    markets = {
        name: {
            "holes": market.holes,
            "missing": market.missing,
            "healed": market.healed,
            "still_missing": market.still_missing,
            "why": market.why,
        }
        for name, market in sorted(result.markets.items())
    }
    return {"missing": result.missing, "healed": result.healed, "why": result.why, "markets": markets}


def _print(source: str, result: BackfillResult) -> None:
    for name, market in sorted(result.markets.items()):
        holes = f"{market.holes:,} hole{'' if market.holes == 1 else 's'}"
        why = f"; {market.why}" if market.why is not None else ""
        print_line(f"{name}: {market.healed:,} of {market.missing:,} missing trades healed, in {holes}{why}")
    if not result.markets:
        print_line(f"{source}: nothing is missing between what was recorded")
    if result.why is not None:
        print_line(f"not healed any further: {result.why}")
