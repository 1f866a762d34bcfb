"""Output for people: one message per line and no carriage returns, the same in a terminal, `docker logs` and Pulumi."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MAX_LINE = 4000
"""Characters. Collectors of container logs cut lines at 8 KiB or more; UTF-8 may take two bytes for a character."""

HEARTBEAT_SECONDS = 15.0


def info(message: str) -> None:
    """Print one message to standard output at once."""
    sys.stdout.write(_line(message) + "\n")
    sys.stdout.flush()


def error(message: str) -> None:
    """Print an error to standard error, each line with a prefix."""
    for line in message.splitlines():
        sys.stderr.write(f"mlenv: error: {_line(line)}\n")
    sys.stderr.flush()


def size(count: int) -> str:
    """Bytes in decimal units with three digits: 999 B, 1.19 GB."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"


def seconds(count: float) -> str:
    """A time to wait: 4 s, 3 min 05 s, 2 h 10 min."""
    whole = round(count)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def pluralise(count: int, noun: str) -> str:
    """A count with its noun: `1 file`, `45,123 files`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


@contextmanager
def heartbeat(describe: Callable[[], str], seconds: float = HEARTBEAT_SECONDS) -> Iterator[None]:
    """Print progress now and then while the block runs, so that a long download does not look stuck."""
    clock = Clock()
    done = threading.Event()

    def beat() -> None:
        while not done.wait(seconds):
            info(f"{describe()}, {clock}")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Clock:
    """Seconds since its creation."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self._start, 3)

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s"


def _line(message: str) -> str:
    flat = message.replace("\r", " ").replace("\n", " ")
    return flat if len(flat) <= MAX_LINE else flat[: MAX_LINE - 4] + " ..."
