"""Events and books as JSON. Pure."""

from typing import Any, Final

from msgspec import json

from booktape.analytics.book_view import BookView
from booktape.model.gap import Gap
from booktape.model.records import RECORD_TYPES
from booktape.serve.source import MarketEvent

MISSING: Final = "missing"

_NAMES: Final[dict[type, str]] = {kind: name for name, kind in RECORD_TYPES.items()} | {Gap: MISSING}


def event_line(event: MarketEvent) -> bytes:
    """Encode an event as a line of JSON, without its end.

    ``type`` is the data type of the record, or ``missing`` for a gap; ``time`` is in µs.
    """
    return json.encode(
        {
            "exchange": event.exchange,
            "market": event.market,
            "time": event.time,
            "type": _NAMES[type(event.record)],
            "record": json_value(event.record),
        }
    )


def error_line(error: Exception) -> bytes:
    """Encode the error that ended a replay early, as its last line."""
    return json.encode({"type": "error", "error": str(error) or type(error).__name__})


def book_object(view: BookView, levels: int | None) -> dict[str, Any]:
    """A book as a JSON object.

    :param levels: how many levels of each side at most; None for all.
    """
    return {
        "exchange": view.exchange,
        "market": view.market,
        "at": view.at,
        "as_of": view.as_of,
        "last_id": view.last_id,
        "sound": view.sound,
        "missing": json_value(view.missing),
        "bids": view.bids[:levels],
        "asks": view.asks[:levels],
    }


def json_value(value: Any) -> Any:
    """Turn named tuples, at any depth, into objects of JSON; anything else is returned as it is."""
    if isinstance(value, Gap):
        return value.to_json()
    if isinstance(value, list):
        return [json_value(one) for one in value]
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: json_value(one) for name, one in value._asdict().items()}
    return value
