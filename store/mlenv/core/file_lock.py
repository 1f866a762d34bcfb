"""File locks between the store jobs of a store, which run in different containers on one kernel."""

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
def acquire(path: Path, what: str, *, shared: bool = False) -> Iterator[int]:
    """Acquire a file lock; while other runs hold it, wait and report that. `what` names the locked object in messages.

    Yields the descriptor: a child process that inherits it keeps the lock. The file is never removed, otherwise two
    runs could hold the lock at once, one on the old file and one on the new.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(descriptor, what, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def try_acquire(path: Path) -> Iterator[bool]:
    """Acquire a file lock if no other run holds it; yields whether it was acquired."""
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
            progress.info(f"waiting: another run holds {what} ({clock})")
            remind = clock.seconds + REMIND_SECONDS
        time.sleep(POLL_SECONDS)


def _try(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
