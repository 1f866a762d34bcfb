"""A server that stops without losing a request: it reports that it is stopping, serves a little longer, then closes."""

import logging
import socket
import time
from collections.abc import Awaitable, Callable
from types import FrameType

import uvicorn

log = logging.getLogger(__name__)


class GracefulShutdown:
    """Whether the server was asked to stop, and since when."""

    def __init__(self) -> None:
        self.requested_at: float | None = None
        """In monotonic seconds."""
        self.before_closing: list[Callable[[], Awaitable[None]]] = []
        """Called when the server stops taking requests, to end those that would never end by themselves."""

    @property
    def requested(self) -> bool:
        return self.requested_at is not None

    def request(self) -> None:
        self.requested_at = self.requested_at or time.monotonic()

    def has_lasted(self, seconds: float) -> bool:
        return self.requested_at is not None and time.monotonic() - self.requested_at >= seconds


class GracefulServer(uvicorn.Server):
    """After SIGTERM it serves for `drain_seconds` more, so that a gateway sees /health and sends requests elsewhere.

    Then uvicorn takes no new connections, waits for the requests in flight, and runs the application's shutdown. A
    second signal ends the wait.
    """

    def __init__(self, config: uvicorn.Config, shutdown: GracefulShutdown, drain_seconds: float) -> None:
        super().__init__(config)
        self._shutdown = shutdown
        self._drain_seconds = drain_seconds
        self._announced = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn's own handler would remember the signal and raise it again at the end: the exit status would not be 0.
        if self._shutdown.requested:
            self.should_exit = True
        self._shutdown.request()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for close in self._shutdown.before_closing:
            await close()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if self._shutdown.requested and not self._announced:
            log.info("asked to stop; serving for %g s more", self._drain_seconds)
            self._announced = True
        if self._shutdown.has_lasted(self._drain_seconds):
            self.should_exit = True
        return await super().on_tick(counter)
