"""Errors are born transient or terminal, so that what to do about them is decided in one place: the caller's loop."""


class BooktapeError(Exception):
    """Something that the user can mend. Its text names the fault and the next step, on one line."""


class TransientError(BooktapeError):
    """Something that may pass by itself: a service that is away, a limit that is reached. Worth another try."""
