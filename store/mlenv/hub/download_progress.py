"""How far a download is, now and then in one line: bytes, total, rate, remaining time."""

from __future__ import annotations

import threading
import time

from ..core import progress

REPORT_SECONDS = 5.0


class Meter:
    """Counts the bytes of a download from any thread. `name` begins every line, `total` is in bytes."""

    def __init__(self, name: str, total: int) -> None:
        self._name = name
        self._total = total
        self._lock = threading.Lock()
        self._done = 0
        self._fetched = 0
        self._reported = self._start = time.monotonic()
        self._reported_fetched = 0

    def skip(self, count: int) -> None:
        """Bytes that were there already."""
        with self._lock:
            self._done += count

    def add(self, count: int) -> None:
        """Bytes that came over the line; they may come again, then `lose` them first."""
        with self._lock:
            self._done += count
            self._fetched += count
            now = time.monotonic()
            if now - self._reported >= REPORT_SECONDS:
                progress.say(self._line(now))
                self._reported, self._reported_fetched = now, self._fetched

    def lose(self, count: int) -> None:
        """Bytes counted before that are to be fetched again."""
        with self._lock:
            self._done -= count

    def mark(self) -> int:
        """For `rewind`, when all that comes after is lost."""
        return self._done

    def rewind(self, mark: int) -> None:
        with self._lock:
            self._done = mark

    def _line(self, now: float) -> str:
        rate = (self._fetched - self._reported_fetched) / (now - self._reported)
        overall = self._fetched / (now - self._start)
        left = progress.seconds((self._total - self._done) / overall) if overall else "unknown"
        done = f"{progress.size(self._done)} of {progress.size(self._total)}"
        return f"{self._name}: {done}, {progress.size(int(rate))}/s, about {left} left"
