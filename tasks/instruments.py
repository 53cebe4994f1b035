"""The list of each venue's instruments, kept daily."""

from booktape.exchanges import exchange as exchange_of
from booktape.rest.instruments import fetch_instruments, store_instruments
from booktape.store.objects import open_store
from config import metrics
from tasks.application import BoundTask, task
from tasks.rest_calls import budget, client, patiently, rest_url
from tasks.runtime import settings


@task("tasks.instruments.keep")
def keep(self: BoundTask, exchange: str, since: int | None = None) -> None:
    """Fetch an exchange's instruments, all of them, and store them as one object."""
    declared = exchange_of(exchange)
    with patiently(self, exchange, since):
        instruments = fetch_instruments(declared, budget(exchange), client(), base=rest_url(exchange))
        store_instruments(declared, instruments, open_store(settings().storage))
    metrics.emit({"Exchange": exchange}, {"InstrumentsKept": len(instruments)})
