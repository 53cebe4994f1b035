"""The exchanges that Booktape records: one package per venue family.

A package declares its exchanges in the tuple ``EXCHANGES``. Adding a package adds its exchanges everywhere: the command
line, the recorder and the tests find them here.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from booktape.exchanges.spec import Exchange
from booktape.model.errors import InvalidInputError


class UnknownExchangeError(InvalidInputError):
    """No package declares an exchange of that id."""


@cache
def exchanges() -> dict[str, Exchange]:
    """Every exchange, by id."""
    packages = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__) if module.ispkg)
    return {exchange.id: exchange for package in packages for exchange in package.EXCHANGES}


def exchange(identifier: str) -> Exchange:
    """The exchange with this id.

    :raises UnknownExchangeError: there is none; the message lists the known ids.
    """
    try:
        return exchanges()[identifier]
    except KeyError:
        known = ", ".join(sorted(exchanges()))
        raise UnknownExchangeError(f"unknown exchange {identifier!r}; there are: {known}") from None
