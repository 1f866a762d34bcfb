"""Output for people. A message is one line without carriage returns, in a terminal, in `docker logs` and in Pulumi."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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


def duration(seconds: float) -> str:
    """A duration in two units: 4 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def pluralise(count: int, noun: str) -> str:
    """A count with its noun: `1 file`, `45,123 files`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def first_few(names: Sequence[str], limit: int = 5) -> str:
    """The first names of a long list: `a, b, c, d, e and 12 more`."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def bullets(lines: Iterable[str]) -> str:
    """A list for the middle of a message, one line for each item."""
    return "\n".join(f"  - {line}" for line in lines)


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
