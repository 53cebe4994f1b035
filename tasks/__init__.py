"""Background work: the nightly chain, republishing and order-book snapshots.

``celery -A tasks worker -Q nightly``, ``celery -A tasks worker -Q snapshots.binance``, ``celery -A tasks beat``.
Tasks are thin: each unpacks its arguments and calls one function of the library.
"""

from tasks import nightly, snapshots
from tasks.application import app

__all__ = ["app", "nightly", "snapshots"]
