"""What the steps work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from booktape.integrity.healed import Healing
from booktape.merge import Engine
from booktape.publish.aws import Aws
from booktape.publish.sources import Source, UnknownSource
from booktape.storage import Store

VERIFY_SECONDS: Final = 600


@dataclass(frozen=True)
class Context:
    """The stores, the merge engine, AWS and the sources.

    ``store`` holds the recordings and the run manifests, ``publication`` the published files. ``verify_seconds`` is
    how long a product in the mode ``verify`` may take to publish by itself before a change set is sent. ``healer``
    fetches the trades of an exchange's day that no system has, for a night of that name; None where that is not wanted.
    """

    store: Store
    publication: Store
    engine: Engine
    sources: Mapping[str, Source]
    aws: Aws
    verify_seconds: float = VERIFY_SECONDS
    healer: Callable[[str, date, str], Healing] | None = None

    def source(self, name: str) -> Source:
        """The source of that name. Raises :class:`UnknownSource`, whose text lists the names there are."""
        try:
            return self.sources[name]
        except KeyError:
            known = ", ".join(sorted(self.sources)) or "none"
            raise UnknownSource(f"unknown data source {name!r}; there are: {known}") from None
