"""File locks between the one-shots of a store, which are different containers on one kernel."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import progress

POLL_SECONDS = 0.1
REMIND_SECONDS = 30.0


@contextmanager
def hold(path: Path, what: str, *, shared: bool = False) -> Iterator[int]:
    """Hold a lock; waits, and says so, while others hold it. Yields the descriptor, for children that must keep it.

    The file stays: removing it would let two runs hold "the" lock, one on the old file and one on the new.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(descriptor, what, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def attempt(path: Path) -> Iterator[bool]:
    """Hold a lock if nobody else does; yields whether it is held."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield _try(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, what: str, operation: int) -> None:
    clock = progress.Clock()
    remind = 0.0
    while not _try(descriptor, operation):
        if clock.seconds >= remind:
            progress.say(f"waiting: another run holds {what} ({clock})")
            remind = clock.seconds + REMIND_SECONDS
        time.sleep(POLL_SECONDS)


def _try(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
