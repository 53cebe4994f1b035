"""Metrics without an agent: CloudWatch's embedded metric format, one JSON object a line on stdout.

Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format". The log driver ships stdout to
CloudWatch Logs, which takes the metrics out of it. Anywhere else they are ordinary JSON log lines.
"""

import json
import sys
from collections.abc import Mapping
from typing import Final

from booktape.store import clock

NAMESPACE: Final = "Booktape"
_MOST_DIMENSIONS: Final = 30

_UNITS: Final = {
    "Microseconds": "Microseconds",
    "Milliseconds": "Milliseconds",
    "Seconds": "Seconds",
    "Bytes": "Bytes",
    "Percent": "Percent",
}
"""A metric's unit is told by how its name ends (``MergeSeconds``); all others are counts."""


def emit(dimensions: Mapping[str, str], metrics: Mapping[str, float], **properties: object) -> None:
    """Write one line with some metrics of one time.

    :param dimensions: ``{"Exchange": "binance"}``. Each combination of values is a metric that is paid for: what has
        many values (a market, a task id) belongs into ``properties``, by which logs can be searched.
    :param metrics: ``{"SequenceGaps": 0}``. Emit zeros too: an alarm cannot tell silence from health.
    """
    assert len(dimensions) <= _MOST_DIMENSIONS, "CloudWatch takes 30 dimensions at most"
    definition = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": _unit(name)} for name in metrics],
    }
    head = {"Timestamp": clock.now() // 1_000, "CloudWatchMetrics": [definition]}
    line = {"_aws": head, **dimensions, **metrics, **properties}
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()


def _unit(name: str) -> str:
    return next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "Count")
