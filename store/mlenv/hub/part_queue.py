"""The parts of one file: which are pending, which are being downloaded, which are done."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence

from .resume_log import Part


class Stopped(Exception):
    """Another thread failed, or the download is being stopped."""


class PartQueue:
    """Hands pending parts to the threads that download them, and finished parts in order to the one that hashes them.

    The first thread starts alone: only its response shows whether the server supports ranges.
    """

    def __init__(self, parts: Sequence[Part], done: set[int]) -> None:
        self._parts = parts
        self._done = set(done)
        self._pending = deque(part for part in parts if part.number not in done)
        self._changed = threading.Condition()
        self._ranges_confirmed = False
        self._closed = False
        self._failure: BaseException | None = None

    def next(self, *, first: bool) -> Part | None:
        """A part to download, or None when there are no more. All but the first thread wait for `confirm_ranges`."""
        with self._changed:
            while not self._closed and not (self._pending and (first or self._ranges_confirmed)):
                self._changed.wait()
            return None if self._closed else self._pending.popleft()

    @property
    def ranges_confirmed(self) -> bool:
        return self._ranges_confirmed

    def confirm_ranges(self) -> None:
        """Let all threads send requests, because the server supports ranges."""
        if not self._ranges_confirmed:
            with self._changed:
                self._ranges_confirmed = True
                self._changed.notify_all()

    def mark_done(self, part: Part) -> None:
        """Say that the bytes of a part are in the file."""
        with self._changed:
            self._done.add(part.number)
            self._changed.notify_all()

    def is_done(self, part: Part) -> bool:
        return part.number in self._done

    def requeue(self, part: Part) -> None:
        """Download a part again, before any other, because its content is wrong."""
        with self._changed:
            self._done.discard(part.number)
            self._pending.appendleft(part)
            self._changed.notify_all()

    def remove(self, part: Part) -> None:
        """Take a part out of the queue, because another response already contains it."""
        with self._changed:
            if part in self._pending:
                self._pending.remove(part)

    def in_order(self) -> Iterator[Part]:
        """Every part, first to last, each as soon as it is done. Raises the failure of a downloading thread."""
        for part in self._parts:
            self.wait_for(part)
            yield part

    def wait_for(self, part: Part) -> None:
        """Wait until a part is done. Raises the failure of a downloading thread."""
        with self._changed:
            while self._failure is None and part.number not in self._done:
                # With a time-out, so that a signal is handled even if the platform's wait does not wake for it.
                self._changed.wait(1.0)
            if self._failure is not None:
                raise self._failure

    def fail(self, failure: BaseException) -> None:
        """Stop all threads. Only the first failure is reported."""
        with self._changed:
            self._failure = self._failure or failure
            self._closed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Release the downloading threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def sleep(self, seconds: float) -> None:
        """Wait, but only while the download continues. Raises Stopped when it has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, seconds)
            if self._closed:
                raise Stopped

    def require_open(self) -> None:
        """Raises Stopped when the download has ended."""
        if self._closed:
            raise Stopped
