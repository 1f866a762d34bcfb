"""Prints the disks below a store, what is in its staging directory, and a claim, as JSON. Changes nothing.

Runs in the bootstrap image with the store at /store, read-only. Its argument is the path of the claim in the store.
"""

import fcntl
import json
import os
import sys
import time
from pathlib import Path

STORE = Path("/store")
STAGING = STORE / "staging"


def disk(path: Path) -> dict:
    """The file system of a path: bytes, and files that can still be made."""
    status = os.statvfs(path)
    return {
        "free": status.f_bavail * status.f_frsize,
        "total": status.f_blocks * status.f_frsize,
        "freeFiles": status.f_favail if status.f_files else None,
    }


def staged() -> list[dict]:
    """What store jobs have in the works, or left behind when they were killed."""
    entries = sorted(STAGING.iterdir()) if STAGING.is_dir() else []
    return [
        {
            "name": entry.name,
            "seconds": max(0, round(time.time() - entry.lstat().st_mtime)),
            "busy": is_locked("store") or is_locked(entry.name),
        }
        for entry in entries
        if entry.name != "locks"
    ]


def is_locked(name: str) -> bool:
    """Whether a store job holds a lock exclusively. The kernel releases the locks of a killed one."""
    try:
        descriptor = os.open(STAGING / "locks" / f"{name}.lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


claim = text_of(STORE / sys.argv[1])
print(json.dumps({"store": disk(STORE), "engine": disk(Path("/")), "staging": staged(), "claim": claim}))
