"""Retries with growing pauses. Not a library, since the bootstrap image has the standard library and uv only."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from ..core import progress
from ..core.errors import HubError

ATTEMPTS = 6
"""Failures in a row, without a byte received in between, before giving up. With the pauses below that takes about half
a minute, plus time-outs."""

PAUSE_VARIABLE = "MLENV_TEST_PAUSE"
"""Set by tests to the length of the first pause in seconds (default: 1). Each further pause is twice as long."""

LONGEST_PAUSE_SECONDS = 300.0
"""The longest pause, even if a server asks for more with Retry-After."""


class TransientError(Exception):
    """A failure that may go away: a broken connection, a busy server. `pause` is the pause in seconds that the server
    asked for, None if it did not ask."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class Backoff:
    """Counts failures in a row and waits longer after each. After `attempts` failures it gives up.

    `name` names the remote side in messages; `sleep` waits for a number of seconds.
    """

    def __init__(self, name: str, attempts: int = ATTEMPTS, sleep: Callable[[float], object] = time.sleep) -> None:
        self._name = name
        self._attempts = attempts
        self._sleep = sleep
        self._failures = 0

    def reset(self) -> None:
        """Start counting again, because something was received."""
        self._failures = 0

    def wait_or_raise(self, error: TransientError) -> None:
        """Wait before the next attempt. Raises HubError when this was the last one."""
        self._failures += 1
        if self._failures >= self._attempts:
            raise HubError(
                f"gave up on {self._name} after {progress.pluralise(self._attempts, 'attempt')}; last: {error}. "
                "Check the network, the proxy and the CA bundle, or name an endpoint (archon:hubEndpoint) or a mirror "
                "that answers. What was fetched so far is kept for the next run."
            )
        first_pause = float(os.environ.get(PAUSE_VARIABLE, "1"))
        pause = first_pause * 2.0 ** (self._failures - 1) if error.pause is None else error.pause
        seconds = min(pause, LONGEST_PAUSE_SECONDS)
        _report_once(f"{error}; trying again in {seconds:.0f} s ({self._failures} of {self._attempts - 1})")
        self._sleep(seconds)


_reported: dict[str, float] = {}
_reporting = threading.Lock()


def _report_once(message: str) -> None:
    """Print a message unless it was printed within the last second: several connections to one server often break for
    the same reason at the same time."""
    with _reporting:
        now = time.monotonic()
        if now - _reported.get(message, -1.0) >= 1.0:
            progress.info(message)
        _reported[message] = now
