"""What a worker tells of itself: one metrics line a minute, and log lines about what is new."""

from collections import Counter
from typing import Any

from booktape.capture.pipeline import Pipeline
from booktape.capture.uploader import Uploader, Uploads
from config import metrics


class MetricsReporter:
    """Turns running totals into log lines and metrics about what has changed.

    ``counts`` are totals that nobody else keeps: gaps, disconnects, silent streams, handovers.
    """

    def __init__(self, log: Any, dimensions: dict[str, str], recorder: Pipeline, uploader: Uploader) -> None:
        self.counts: Counter[str] = Counter(SequenceGaps=0, Disconnects=0, SilentStreams=0, Handovers=0)
        self._log = log
        self._dimensions = dimensions
        self._recorder = recorder
        self._uploader = uploader
        self._flushed = Uploads()
        self._told: Counter[str] = Counter()
        self._emitted: dict[str, int] = {}

    def tell_news(self) -> None:
        """Log what was flushed, refused and not understood since the last time."""
        self._tell_flushed()
        self._tell_new("refused", self._recorder.refused)
        self._tell_new("not_understood", self._recorder.not_understood)

    def emit(self) -> None:
        """What happened since the last time, zeros included; the absence of this line is an alarm of its own."""
        uploads = self._uploader.uploads
        totals = {
            **self.counts,
            "Frames": self._recorder.frames,
            "Records": sum(stream.appended for stream in self._recorder.streams.values()),
            "StaleRecords": self._recorder.stale(),
            "FramesNotUnderstood": self._recorder.not_understood.total(),
            "FramesRefused": self._recorder.refused.total(),
            "UncheckedMessages": self._recorder.unchecked(),
            "Objects": uploads.objects,
            "Collisions": uploads.collisions,
            "Spooled": uploads.spooled,
            "Dropped": uploads.dropped,
        }
        metrics.emit(self._dimensions, {name: total - self._emitted.get(name, 0) for name, total in totals.items()})
        self._emitted = totals

    def _tell_flushed(self) -> None:
        now, before = self._uploader.uploads, self._flushed
        if now != before:
            self._flushed = now
            changes = {name: getattr(now, name) - getattr(before, name) for name in Uploads.__dataclass_fields__}
            self._log.info("flushed", waiting=self._uploader.waiting, **changes)

    def _tell_new(self, event: str, counts: Counter[str]) -> None:
        for what, count in counts.items():
            if count > self._told[event + what]:
                self._log.error(event, what=what, count=count - self._told[event + what])
                self._told[event + what] = count
