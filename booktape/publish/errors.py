"""The two ways in which a step does not go on, without anything having gone wrong."""

from booktape.model.errors import BooktapeError, TransientError


class WaitingError(TransientError):
    """What was asked for is under way at the service. Ask again after a while; nothing is blocked meanwhile."""


class GateFailedError(BooktapeError):
    """The file is not fit to be published. Heal the data and republish, or lower the source's threshold."""
