"""A server that stops without losing a request: it says it is stopping, serves on for a while, and only then closes."""

import logging
import time
from types import FrameType

import uvicorn

log = logging.getLogger(__name__)


class Draining:
    """Whether the server has been told to stop, and since when (monotonic seconds)."""

    def __init__(self) -> None:
        self.since: float | None = None

    @property
    def active(self) -> bool:
        return self.since is not None

    def begin(self) -> None:
        self.since = self.since or time.monotonic()

    def lasted(self, seconds: float) -> bool:
        return self.since is not None and time.monotonic() - self.since >= seconds


class DrainingServer(uvicorn.Server):
    """After SIGTERM, requests are served for `seconds` more: so long a gateway needs to see /health and look elsewhere.

    Then uvicorn takes no new connections, lets the requests in flight end, and runs the application's shutdown.
    A second signal ends the wait.
    """

    def __init__(self, config: uvicorn.Config, draining: Draining, seconds: float) -> None:
        super().__init__(config)
        self._draining = draining
        self._seconds = seconds
        self._announced = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn's own would remember the signal and raise it again at the end: the exit status would not be 0.
        if self._draining.active:
            self.should_exit = True
        self._draining.begin()

    async def on_tick(self, counter: int) -> bool:
        if self._draining.active and not self._announced:
            log.info("told to stop; serving for %g s more", self._seconds)
            self._announced = True
        if self._draining.lasted(self._seconds):
            self.should_exit = True
        return await super().on_tick(counter)
