"""The step before the merge: fetching the trades that no system has."""

from booktape.exchanges import exchange
from booktape.model.records import TRADES
from booktape.publish import manifest, results
from booktape.publish.context import Context
from booktape.publish.sources import DataSource
from booktape.rest.backfill_results import BackfillResult
from booktape.store.layout import Run

_OFF = "healing is off (BOOKTAPE_HEAL)"


def is_backfilled(source: DataSource) -> bool:
    """Whether a source's missing records can be fetched: trades of a venue that gives past ones by their numbers."""
    return source.data_type == TRADES and exchange(source.exchange).rest.trades is not None


def backfill(context: Context, run: Run) -> results.Heal:
    """Fetch missing trades, as far as the venue gives them; what it does not give stops nothing.

    What one request has started (a night's sources, a republication) shares what may be asked of an exchange.

    Raises :class:`~booktape.model.errors.TransientError` where the stores do not answer.
    """
    if context.healer is None:
        return results.Heal({}, _OFF)
    night = manifest.required(context.store, run, results.Start).request
    found: BackfillResult = context.healer(context.source(run.source).exchange, run.day, night)
    return results.Heal(found.markets, found.why)
