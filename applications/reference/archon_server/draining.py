"""A server that stops without losing a request: it says it is stopping, serves on for a while, and only then closes."""

import logging
import socket
import time
from collections.abc import Awaitable, Callable
from types import FrameType

import uvicorn

log = logging.getLogger(__name__)


class Draining:
    """Whether the server has been told to stop, and since when (monotonic seconds)."""

    def __init__(self) -> None:
        self.since: float | None = None
        self.at_end: list[Callable[[], Awaitable[None]]] = []
        """Called when the server stops taking requests, to end those that would never end by themselves."""

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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for end in self._draining.at_end:
            await end()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if self._draining.active and not self._announced:
            log.info("told to stop; serving for %g s more", self._seconds)
            self._announced = True
        if self._draining.lasted(self._seconds):
            self.should_exit = True
        return await super().on_tick(counter)
