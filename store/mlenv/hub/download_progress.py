"""Reports the progress of a download every few seconds in one line: bytes, total, rate, remaining time."""

from __future__ import annotations

import threading
import time

from ..core import progress

REPORT_SECONDS = 5.0


class DownloadProgress:
    """Counts the bytes of a download from any thread. `name` begins every line, `total` is in bytes."""

    def __init__(self, name: str, total: int) -> None:
        self._name = name
        self._total = total
        self._lock = threading.Lock()
        self._done = 0
        self._fetched = 0
        self._reported = self._start = time.monotonic()
        self._reported_fetched = 0

    def add_present(self, count: int) -> None:
        """Count bytes that were present already."""
        with self._lock:
            self._done += count

    def add(self, count: int) -> None:
        """Count bytes that were received."""
        with self._lock:
            self._done += count
            self._fetched += count
            now = time.monotonic()
            if now - self._reported >= REPORT_SECONDS:
                progress.info(self._line(now))
                self._reported, self._reported_fetched = now, self._fetched

    def subtract(self, count: int) -> None:
        """Take back bytes that were counted but must be downloaded again."""
        with self._lock:
            self._done -= count

    def mark(self) -> int:
        """The current count, for `rewind`."""
        return self._done

    def rewind(self, mark: int) -> None:
        """Take back everything that was counted since `mark`."""
        with self._lock:
            self._done = mark

    def _line(self, now: float) -> str:
        rate = (self._fetched - self._reported_fetched) / (now - self._reported)
        overall = self._fetched / (now - self._start)
        left = progress.duration((self._total - self._done) / overall) if overall else "unknown"
        done = f"{progress.size(self._done)} of {progress.size(self._total)}"
        return f"{self._name}: {done}, {progress.size(int(rate))}/s, about {left} left"
