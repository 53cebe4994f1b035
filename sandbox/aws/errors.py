"""The two ways a call can go wrong: the service refuses it, or the sandbox itself breaks the service's contract."""

from typing import Any


class ServiceError(Exception):
    """An answer other than success, as the real service would give it.

    ``code`` is the name of an exception in the service's model, which then fixes the HTTP status. For the few errors
    that no model lists (an unknown operation, an injected fault) ``status`` gives it. ``members`` are further members
    of the exception's shape, such as ``ResourceId``.
    """

    def __init__(self, code: str, message: str, *, status: int | None = None, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


class ContractError(Exception):
    """A handler's result or error does not fit the service's model: a mistake in the sandbox."""
