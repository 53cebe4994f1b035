"""The settings that commands of the package alone read: environment variables, as the application's settings.

``config/settings.py`` reads the same variables, and many more, for the application; a test holds both to the same
defaults.
"""

from dataclasses import dataclass
from os import environ
from typing import Final, Literal, TypeVar

from booktape.model.errors import InvalidInputError

PREFIX: Final = "BOOKTAPE_"

Engine = Literal["duckdb", "athena"]
Choice = TypeVar("Choice", bound=str)

_ENGINES: Final[tuple[Engine, ...]] = ("duckdb", "athena")
_LEVELS: Final = ("info", "debug", "warning", "error")


class InvalidEnvironmentError(InvalidInputError):
    """An environment variable has a value that is not allowed."""


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """Where the archive lies, and how it is read. URLs are ``file://…`` or ``s3://…``; a path is a directory.

    ``publish`` is where published files lie, None where that is the storage itself. ``merge_memory`` limits DuckDB.
    """

    storage: str
    replica: str | None
    publish: str | None
    engine: Engine
    results_url: str
    athena_database: str
    athena_workgroup: str
    merge_memory: str
    log_level: str

    @property
    def publication_url(self) -> str:
        """Where published files lie."""
        return self.publish or self.storage


def reader_settings(storage: str | None = None) -> ReaderSettings:
    """The settings of this environment. Raises :class:`InvalidEnvironmentError`, which names the variable.

    :param storage: a storage to read instead. The environment's replica and publication belong to its own storage, and
        are left out.
    """
    own = storage is None
    chosen = storage or _variable("STORAGE") or "data"
    return ReaderSettings(
        storage=chosen,
        replica=_variable("REPLICA") if own else None,
        publish=_variable("PUBLISH") if own else None,
        engine=_choice("ENGINE", _ENGINES),
        results_url=_variable("RESULTS") or f"{chosen.rstrip('/')}/merged",
        athena_database=_variable("ATHENA_DATABASE") or "booktape",
        athena_workgroup=_variable("ATHENA_WORKGROUP") or "primary",
        merge_memory=_variable("MERGE_MEMORY") or "2GB",
        log_level=_choice("LOG_LEVEL", _LEVELS),
    )


def _variable(name: str) -> str | None:
    """A variable's value, whatever the case of its name; None where it is empty or unset."""
    return environ.get(PREFIX + name) or next(
        (value for variable, value in environ.items() if value and variable.upper() == PREFIX + name), None
    )


def _choice(name: str, choices: tuple[Choice, ...]) -> Choice:
    """The value of a variable that takes some values only; without one, the first of these."""
    text = _variable(name) or choices[0]
    for choice in choices:
        if text == choice:
            return choice
    allowed = " or ".join((", ".join(map(repr, choices[:-1])), repr(choices[-1])))
    raise InvalidEnvironmentError(f"{PREFIX}{name}={text}: Input should be {allowed}")
