"""Log lines and metrics: JSON on stdout, one object a line."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from booktape.cli.logs import configure_logging
from booktape.model.errors import BooktapeError
from booktape.store import clock
from config import metrics


@pytest.fixture
def logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_metric_is_a_line_in_the_embedded_format(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: 1_723_204_807_123_456)
    metrics.emit({"Exchange": "binance"}, {"SequenceGaps": 0, "PutSeconds": 0.5}, pair="BTC-USDT")
    assert lines(capsys) == [
        {
            "_aws": {
                "Timestamp": 1_723_204_807_123,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Booktape",
                        "Dimensions": [["Exchange"]],
                        "Metrics": [
                            {"Name": "SequenceGaps", "Unit": "Count"},
                            {"Name": "PutSeconds", "Unit": "Seconds"},
                        ],
                    }
                ],
            },
            "Exchange": "binance",
            "SequenceGaps": 0,
            "PutSeconds": 0.5,
            "pair": "BTC-USDT",
        }
    ]


@pytest.mark.usefixtures("logging_restored")
def test_libraries_and_booktape_log_alike_with_what_is_bound(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    structlog.contextvars.clear_contextvars()
    with structlog.contextvars.bound_contextvars(source="binance-trades"):
        structlog.get_logger("booktape").info("step done", step="merge")
        logging.getLogger("celery").warning("%s is slow", "Redis")
    logging.getLogger("botocore").info("a request")
    shown = [{name: line[name] for name in ("event", "level", "logger", "source")} for line in lines(capsys)]
    assert shown == [
        {"event": "step done", "level": "info", "logger": "booktape", "source": "binance-trades"},
        {"event": "Redis is slow", "level": "warning", "logger": "celery", "source": "binance-trades"},
    ]


@pytest.mark.usefixtures("logging_restored")
def test_an_error_to_be_mended_is_its_text_and_any_other_has_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    log = structlog.get_logger("booktape")
    log.error("failed", exc_info=BooktapeError("mend this"))
    log.error("failed", exc_info=ZeroDivisionError("a bug"))
    mended, bug = lines(capsys)
    assert (mended["error"], "exception" in mended) == ("mend this", False)
    assert "ZeroDivisionError: a bug" in str(bug["exception"])
