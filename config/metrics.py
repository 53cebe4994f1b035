"""Writes metrics to stdout in CloudWatch's embedded metric format, one JSON object a line. No agent is needed.

Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format". The log driver ships stdout to
CloudWatch Logs, which extracts the metrics. Anywhere else they are ordinary JSON log lines.
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
"""The unit of a metric, by the end of its name (``MergeSeconds``). All other metrics are counts."""


def emit(dimensions: Mapping[str, str], metrics: Mapping[str, float], **properties: object) -> None:
    """Write one line with some metrics.

    :param dimensions: such as ``{"Exchange": "binance"}``. CloudWatch bills each combination of values as a metric, so
        anything with many values (a market, a task id) belongs in ``properties``.
    :param metrics: such as ``{"SequenceGaps": 0}``. Emit zeros too, or an alarm cannot distinguish a healthy process
        from a dead one.
    :param properties: further fields of the line, by which logs can be searched.
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
