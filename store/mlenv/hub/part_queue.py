"""The parts of one file on their way: which are wanted, which are under way, which are there."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence

from .resume_log import Part


class Stopped(Exception):
    """Another thread failed, or the run is being ended."""


class Parts:
    """Hands parts out to the threads that fetch, and in order to the one that proves."""

    def __init__(self, parts: Sequence[Part], there: set[int]) -> None:
        self._parts = parts
        self._there = set(there)
        self._wanted = deque(part for part in parts if part.number not in there)
        self._changed = threading.Condition()
        self._settled = False
        self._done = False
        self._failure: BaseException | None = None

    def next(self, *, first: bool) -> Part | None:
        """A part to fetch, or None when there will be no more. All but the first thread wait until `settle`."""
        with self._changed:
            while not self._done and not (self._wanted and (first or self._settled)):
                self._changed.wait()
            return None if self._done else self._wanted.popleft()

    @property
    def settled(self) -> bool:
        return self._settled

    def settle(self) -> None:
        """The server does ranges: every thread may ask."""
        if not self._settled:
            with self._changed:
                self._settled = True
                self._changed.notify_all()

    def arrived(self, part: Part) -> None:
        """Its bytes are in the file."""
        with self._changed:
            self._there.add(part.number)
            self._changed.notify_all()

    def is_there(self, part: Part) -> bool:
        return part.number in self._there

    def ask_again(self, part: Part) -> None:
        """It proved wrong: fetch it before any other."""
        with self._changed:
            self._there.discard(part.number)
            self._wanted.appendleft(part)
            self._changed.notify_all()

    def withdraw(self, part: Part) -> None:
        """Somebody brings it along already."""
        with self._changed:
            if part in self._wanted:
                self._wanted.remove(part)

    def in_order(self) -> Iterator[Part]:
        """Every part, first to last, each as soon as it is there. Raises what a fetching thread failed with."""
        for part in self._parts:
            self.wait_for(part)
            yield part

    def wait_for(self, part: Part) -> None:
        with self._changed:
            while self._failure is None and part.number not in self._there:
                # With a time-out, so that a signal is dealt with even where the platform's wait would not wake for it.
                self._changed.wait(1.0)
            if self._failure is not None:
                raise self._failure

    def fail(self, failure: BaseException) -> None:
        """End the work of all threads. The first failure is the one that counts."""
        with self._changed:
            self._failure = self._failure or failure
            self._done = True
            self._changed.notify_all()

    def finish(self) -> None:
        """Let the fetching threads go."""
        with self._changed:
            self._done = True
            self._changed.notify_all()

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than the work goes on. Raises Stopped when it does not."""
        with self._changed:
            self._changed.wait_for(lambda: self._done, seconds)
            if self._done:
                raise Stopped

    def check(self) -> None:
        if self._done:
            raise Stopped
