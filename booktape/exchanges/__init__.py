"""One module per venue family. Adding a module with a tuple ``EXCHANGES`` adds it everywhere."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from booktape.exchanges.spec import Exchange
from booktape.model.errors import BooktapeError


class UnknownExchange(BooktapeError):
    """No module declares an exchange of that id."""


@cache
def exchanges() -> dict[str, Exchange]:
    """Every exchange, by id."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return {exchange.id: exchange for module in modules for exchange in getattr(module, "EXCHANGES", ())}


def exchange(identifier: str) -> Exchange:
    """One exchange by its id. Raises :class:`UnknownExchange`, whose text lists the ids there are."""
    try:
        return exchanges()[identifier]
    except KeyError:
        known = ", ".join(sorted(exchanges()))
        raise UnknownExchange(f"unknown exchange {identifier!r}; there are: {known}") from None
