"""Reports what a worker does: one line of metrics a minute, and log lines about changes."""

from collections import Counter
from typing import Any

from booktape.capture.pipeline import Pipeline
from booktape.capture.uploader import Uploader, Uploads
from config import metrics


class MetricsReporter:
    """Turns running totals into log lines and metrics about what has changed.

    ``counts`` are totals that no other object keeps: gaps, disconnects, stale streams, handovers.
    """

    def __init__(self, log: Any, dimensions: dict[str, str], pipeline: Pipeline, uploader: Uploader) -> None:
        self.counts: Counter[str] = Counter(SequenceGaps=0, Disconnects=0, StaleStreams=0, Handovers=0)
        self._log = log
        self._dimensions = dimensions
        self._pipeline = pipeline
        self._uploader = uploader
        self._flushed = Uploads()
        self._logged: Counter[str] = Counter()
        self._emitted: dict[str, int] = {}

    def log_changes(self) -> None:
        """Log uploads, refused subscriptions and unknown frames since the last call."""
        self._log_uploads()
        self._log_counts("subscription_refused", self._pipeline.refused)
        self._log_counts("unknown_frame", self._pipeline.unknown_frames)

    def emit(self) -> None:
        """Emit the metrics since the last call, zeros included. The absence of this line is an alarm of its own."""
        uploads = self._uploader.uploads
        totals = {
            **self.counts,
            "Frames": self._pipeline.frames,
            "Records": sum(batcher.appended for batcher in self._pipeline.batchers.values()),
            "DuplicateRecords": self._pipeline.duplicates(),
            "UnknownFrames": self._pipeline.unknown_frames.total(),
            "SubscriptionsRefused": self._pipeline.refused.total(),
            "UncheckedMessages": self._pipeline.unchecked(),
            "Objects": uploads.objects,
            "Collisions": uploads.collisions,
            "Spooled": uploads.spooled,
            "Dropped": uploads.dropped,
        }
        metrics.emit(self._dimensions, {name: total - self._emitted.get(name, 0) for name, total in totals.items()})
        self._emitted = totals

    def _log_uploads(self) -> None:
        now, before = self._uploader.uploads, self._flushed
        if now != before:
            self._flushed = now
            changes = {name: getattr(now, name) - getattr(before, name) for name in Uploads.__dataclass_fields__}
            self._log.info("flushed", waiting=self._uploader.waiting, **changes)

    def _log_counts(self, event: str, counts: Counter[str]) -> None:
        for kind, count in counts.items():
            if count > self._logged[event + kind]:
                self._log.error(event, kind=kind, count=count - self._logged[event + kind])
                self._logged[event + kind] = count
