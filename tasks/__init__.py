"""Background tasks: the nightly chain, republications, order-book snapshots and lists of instruments.

``celery -A tasks worker -Q nightly``, ``celery -A tasks worker -Q snapshots.binance``, ``celery -A tasks beat``.
Each task unpacks its arguments and calls a function of the library.
"""

from booktape.model.errors import BooktapeError

try:
    from tasks import instruments, nightly, snapshots
    from tasks.application import app
except BooktapeError as error:  # invalid settings or files; `celery -A tasks …` would print a traceback
    raise SystemExit(f"error: {error}") from error

__all__ = ["app", "instruments", "nightly", "snapshots"]
