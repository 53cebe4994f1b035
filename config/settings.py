"""The settings. They are read from environment variables only: ``BOOKTAPE_STORAGE``, …, and ``REDIS_URL``."""

from os import environ
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from booktape.model.errors import InvalidInputError, StateError
from booktape.publish.retries import RetryPolicy
from booktape.rest.quota import DEFAULT_MAX_SECONDS, DEFAULT_MAX_TRADES

PREFIX = "BOOKTAPE_"


class InvalidSettingsError(InvalidInputError):
    """An environment variable has an invalid value."""


class PrimaryOnlyError(StateError):
    """This is a replica system. It only records; the primary publishes both systems' records."""


class Settings(BaseSettings):
    """Everything that differs between installations. Times in seconds, URLs ``file://…`` or ``s3://…``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    system: Literal["primary", "replica"] = "primary"
    storage: str = "data"
    """This system's recordings and run manifests. A path names a directory."""
    replica: str | None = None
    """The replica system's recordings, if there is one."""
    publish: str | None = None
    """The published files; in the storage unless set."""
    raw: bool = False
    """Whether frames and REST books are stored unchanged too."""
    redis_url: Annotated[str, Field(validation_alias="REDIS_URL")] = "redis://127.0.0.1:6379/0"

    engine: Literal["duckdb", "athena"] = "duckdb"
    results: str | None = None
    """The merged files; ``merged/`` in the storage unless set. Athena needs an ``s3://`` URL."""
    athena_database: str = "booktape"
    athena_workgroup: str = "primary"
    merge_memory: str = "2GB"
    """How much memory DuckDB may use for a merge. It spills more data to disk."""

    heal: bool = True
    """Whether missing trades are fetched over REST before the merge."""
    heal_trades: PositiveInt = DEFAULT_MAX_TRADES
    """How many trades a night may request from each exchange."""
    heal_seconds: PositiveFloat = DEFAULT_MAX_SECONDS
    """For how long a night may send requests to each exchange."""

    sources: Path | None = None
    """A file to use instead of ``config/sources.yaml``."""
    venues: Path | None = None
    """A file to use instead of ``config/venues.yaml``."""

    poll_seconds: PositiveFloat = 15
    """The interval at which a service that is still working is polled."""
    retry_seconds: PositiveFloat = 2
    """The pause after the first transient error. Each further one is twice as long, up to ``retry_most_seconds``."""
    retry_most_seconds: PositiveFloat = 300
    deadline_seconds: PositiveFloat = 6 * 3600
    """A step that has not succeeded this long after its first try has failed."""
    verify_seconds: float = 600
    """How long a product in the mode ``verify`` may take to show a revision before a change set is sent."""
    lock_seconds: PositiveFloat = 15
    """How long the lock of a killed worker lasts."""
    attended_seconds: PositiveFloat = 600
    """``resume`` starts an active run that no worker has worked on for this long."""
    resume_seconds: PositiveFloat = 180
    task_seconds: PositiveInt = 2 * 3600
    """The time limit of a task. It is killed a minute later if it has not ended."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def publication_url(self) -> str:
        """The URL of the published files."""
        return self.publish or self.storage

    @property
    def results_url(self) -> str:
        """The URL of the merged files."""
        return self.results or f"{self.storage.rstrip('/')}/merged"

    @property
    def retry_policy(self) -> RetryPolicy:
        """When a step is tried again, and when to give up."""
        return RetryPolicy(self.poll_seconds, self.retry_seconds, self.retry_most_seconds, self.deadline_seconds)


def load_settings() -> Settings:
    """The settings of this environment. Raises :class:`InvalidSettingsError`, whose text names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = name if name in environ else f"{PREFIX}{name.upper()}"
        raise InvalidSettingsError(f"{variable}={first['input']}: {first['msg']}") from error


def require_primary(settings: Settings) -> None:
    """Raise :class:`PrimaryOnlyError` unless this is the primary system."""
    if settings.system != "primary":
        raise PrimaryOnlyError(f"this is the {settings.system} system (BOOKTAPE_SYSTEM); only the primary publishes")
