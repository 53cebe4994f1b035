"""The two ways in which a step does not go on, without anything having gone wrong."""

from booktape.errors import BooktapeError, Transient


class Waiting(Transient):
    """What was asked for is under way at the service. Ask again after a while; nothing is blocked meanwhile."""


class Held(BooktapeError):
    """The file is not fit to be published. Heal the data and republish, or lower the source's threshold."""
