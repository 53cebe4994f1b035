"""Settings, from environment variables alone: ``BOOKTAPE_STORAGE``, ``BOOKTAPE_ENGINE``, … and ``REDIS_URL``."""

from os import environ
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from booktape.model.errors import BooktapeError
from booktape.publish.executor import RetryPolicy
from booktape.rest.backfill import MOST_TRADES, SECONDS

PREFIX = "BOOKTAPE_"


class InvalidSettingsError(BooktapeError):
    """An environment variable holds what it must not hold."""


class PrimaryOnlyError(BooktapeError):
    """A replica system records for the primary, which publishes both systems' records."""


class Settings(BaseSettings):
    """Everything that differs between installations. Times in seconds, URLs ``file://…`` or ``s3://…``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    system: Literal["primary", "replica"] = "primary"
    storage: str = "data"
    """Where this system's recordings and run manifests lie. A path is taken for a directory."""
    replica: str | None = None
    """Where the replica system's recordings lie, if there is one."""
    publish: str | None = None
    """Where published files go; the storage itself unless set."""
    raw: bool = False
    """Whether frames and REST books are kept as they came, too."""
    redis_url: Annotated[str, Field(validation_alias="REDIS_URL")] = "redis://127.0.0.1:6379/0"

    engine: Literal["duckdb", "athena"] = "duckdb"
    results: str | None = None
    """Where merged files are written; ``merged/`` in the storage unless set. For Athena an ``s3://`` URL."""
    athena_database: str = "booktape"
    athena_workgroup: str = "primary"
    merge_memory: str = "2GB"
    """What DuckDB may hold of a merge; more is spilled to disk."""

    heal: bool = True
    """Whether trades that no system has are fetched over REST before the merge."""
    heal_trades: PositiveInt = MOST_TRADES
    """How many trades a night may ask for, of each exchange."""
    heal_seconds: PositiveFloat = SECONDS
    """How long a night may ask, of each exchange."""

    sources: Path | None = None
    """A file to use instead of ``config/sources.yaml``."""
    venues: Path | None = None
    """A file to use instead of ``config/venues.yaml``."""

    poll_seconds: PositiveFloat = 15
    """How long a service may work before it is asked again."""
    retry_seconds: PositiveFloat = 2
    """The first pause after a transient error; each further one is twice as long, up to ``retry_most_seconds``."""
    retry_most_seconds: PositiveFloat = 300
    deadline_seconds: PositiveFloat = 6 * 3600
    """A step that has not succeeded this long after its first try has failed."""
    verify_seconds: float = 600
    """How long a product in the mode ``verify`` may take to publish by itself before a change set is sent."""
    lock_seconds: PositiveFloat = 15
    """A killed worker's lock is free after this."""
    attended_seconds: PositiveFloat = 600
    """A run that no worker has touched for this long is taken up again by ``resume``."""
    resume_seconds: PositiveFloat = 180
    task_seconds: PositiveInt = 2 * 3600
    """A task that runs longer is stopped, and killed a minute later."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def publication_url(self) -> str:
        """Where published files go."""
        return self.publish or self.storage

    @property
    def results_url(self) -> str:
        """Where merged files are written."""
        return self.results or f"{self.storage.rstrip('/')}/merged"

    @property
    def patience(self) -> RetryPolicy:
        """How long to wait before asking again, and when to give up."""
        return RetryPolicy(self.poll_seconds, self.retry_seconds, self.retry_most_seconds, self.deadline_seconds)


def load_settings() -> Settings:
    """The settings of this environment. Raises :class:`InvalidSettingsError`, in one line that names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = name if name in environ else f"{PREFIX}{name.upper()}"
        raise InvalidSettingsError(f"{variable}={first['input']}: {first['msg']}") from error


def require_primary(settings: Settings) -> None:
    """Raise :class:`PrimaryOnlyError` on another system than the primary: it heals, publishes and releases nothing."""
    if settings.system != "primary":
        raise PrimaryOnlyError(f"this is the {settings.system} system (BOOKTAPE_SYSTEM); only the primary publishes")
