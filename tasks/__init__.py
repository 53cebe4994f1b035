"""Background work: the nightly chain, republishing, order-book snapshots and lists of instruments.

``celery -A tasks worker -Q nightly``, ``celery -A tasks worker -Q snapshots.binance``, ``celery -A tasks beat``.
Tasks are thin: each unpacks its arguments and calls one function of the library.
"""

from booktape.model.errors import BooktapeError

try:
    from tasks import instruments, nightly, snapshots
    from tasks.application import app
except BooktapeError as error:  # settings or files that cannot be used; `celery -A tasks …` would show a traceback
    raise SystemExit(f"error: {error}") from error

__all__ = ["app", "instruments", "nightly", "snapshots"]
