"""Stores the list of each venue's instruments daily."""

from booktape.exchanges import exchange as exchange_of
from booktape.rest.instruments import fetch_instruments, store_instruments
from config import metrics
from tasks.application import BoundTask, task
from tasks.resources import http_client, rate_limiter, recordings, rest_url
from tasks.retries import retrying_requests


@task("tasks.instruments.keep")
def keep(self: BoundTask, exchange: str, since: int | None = None) -> None:
    """Fetch all instruments of an exchange, and store them as one object."""
    declared = exchange_of(exchange)
    with retrying_requests(self, exchange, since):
        instruments = fetch_instruments(declared, rate_limiter(exchange), http_client(), base=rest_url(exchange))
        store_instruments(declared, instruments, recordings())
    metrics.emit({"Exchange": exchange}, {"InstrumentsKept": len(instruments)})
