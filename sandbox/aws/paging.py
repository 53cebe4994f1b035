"""One way to page through lists: the token is the position of the next item."""

from typing import TypeVar

from sandbox.aws.errors import ServiceError

T = TypeVar("T")


def page(items: list[T], token: str | None, size: int) -> tuple[list[T], str | None]:
    """Return at most ``size`` items from where ``token`` points, and the token of the next page if there is one.

    Raises ServiceError ``ValidationException`` if no earlier page can have given this token.
    """
    start = int(token) if token and token.isdecimal() else 0
    if token is not None and not 0 < start < len(items):
        raise ServiceError("ValidationException", f"NextToken {token!r} is not valid")
    end = start + size
    return items[start:end], str(end) if end < len(items) else None
