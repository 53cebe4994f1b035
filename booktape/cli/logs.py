"""Logging: JSON lines on stdout, from structlog and from the libraries alike."""

import logging
import sys
from typing import Final

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from booktape.model.errors import BooktapeError

_QUIET: Final = ("botocore", "boto3", "urllib3", "httpx", "httpcore", "s3transfer", "sqlglot")
"""Libraries that log every request at the level ``info``, or every byte at ``debug``."""


def configure_logging(level: str = "info") -> None:
    """Send everything that is logged in this process to stdout, one JSON object a line."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _in_one_line,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _in_one_line(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """An error that the user can mend says everything in its text; a traceback would only hide it."""
    error = event.get("exc_info")
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BooktapeError):
        del event["exc_info"]
        event["error"] = str(error)
    return event
