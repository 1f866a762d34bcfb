"""How often something that failed is tried again, and after what time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from ..core import progress
from ..core.errors import HubError

ATTEMPTS = 6
"""In a row, without a byte in between. With the pauses below: about half a minute of trying, besides the waiting."""

PAUSE_VARIABLE = "MLENV_TEST_PAUSE"
"""Set by tests to the seconds of the first pause, which is 1; each further one is twice as long."""

LONGEST_PAUSE_SECONDS = 300.0
"""A server that asks for more with Retry-After is not waited for longer than this at once."""


class Trouble(Exception):
    """Something that may pass: a broken connection, a busy server. `pause` is what the server asked for, in seconds."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class Patience:
    """Counts failures in a row. `sleep` waits for so many seconds; `attempts` of them are one too many.

    `name` says whose failures they are, in messages.
    """

    def __init__(self, name: str, attempts: int = ATTEMPTS, sleep: Callable[[float], object] = time.sleep) -> None:
        self._name = name
        self._attempts = attempts
        self._sleep = sleep
        self._failures = 0

    def restore(self) -> None:
        """Something came through."""
        self._failures = 0

    def bear(self, trouble: Trouble) -> None:
        """Wait before the next attempt. Raises HubError when this was the last one."""
        self._failures += 1
        if self._failures >= self._attempts:
            raise HubError(
                f"gave up on {self._name} after {progress.number(self._attempts, 'attempt')}; last: {trouble}. "
                "Check the network, the proxy and the CA bundle, or name an endpoint (archon:hubEndpoint) or a mirror "
                "that answers. What was fetched so far is kept for the next run."
            )
        first = float(os.environ.get(PAUSE_VARIABLE, "1"))
        asked = first * 2.0 ** (self._failures - 1) if trouble.pause is None else trouble.pause
        seconds = min(asked, LONGEST_PAUSE_SECONDS)
        _say_once(f"{trouble}; trying again in {seconds:.0f} s ({self._failures} of {self._attempts - 1})")
        self._sleep(seconds)


_said: dict[str, float] = {}
_saying = threading.Lock()


def _say_once(message: str) -> None:
    """Several connections to one server break for one reason at one time."""
    with _saying:
        now = time.monotonic()
        if now - _said.get(message, -1.0) >= 1.0:
            progress.say(message)
        _said[message] = now
