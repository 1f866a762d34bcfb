"""Checks that a lock file fits this image and the models that need it."""

from __future__ import annotations

import platform
import re
import sys

from ..core.errors import UsageError
from .requirements import LockFile

OLDEST_SENTENCE_TRANSFORMERS = (5, 4)


def require_compatible(lock: LockFile, python: str) -> None:
    """Raises UsageError with everything that does not fit; `python` is the requested tag, such as cp311."""
    problems = [*_interpreter(lock, python), *_platform(lock.header.get("platform")), *_versions(lock)]
    if problems:
        raise UsageError("the lock file cannot be used here:\n" + "\n".join(f"  - {problem}" for problem in problems))


def _interpreter(lock: LockFile, python: str):
    running = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wanted = {python, lock.header.get("python", python)}
    if sys.implementation.name != "cpython" or wanted != {running}:
        yield (
            f"this image runs {sys.implementation.name} {platform.python_version()} ({running}), the request and its "
            f"lock file are for {' and '.join(sorted(wanted))}; use a base image with that Python, or "
            "renew the lock file "
            "(./archon lock)"
        )


def _platform(target: str | None):
    match = re.fullmatch(r"(?P<machine>.+)-manylinux_(?P<major>\d+)_(?P<minor>\d+)", target or "")
    if not match:
        return
    machine, (_, libc) = platform.machine(), platform.libc_ver()
    needed = (int(match["major"]), int(match["minor"]))
    have = tuple(int(part) for part in re.findall(r"\d+", libc)[:2])
    if machine != match["machine"] or have < needed:
        yield f"the lock file is for {target}, this image is {machine} with C library {libc or 'unknown'}"


def _versions(lock: LockFile):
    version = lock.version("sentence-transformers")
    if version and tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST_SENTENCE_TRANSFORMERS:
        yield (
            f"it pins sentence-transformers=={version}, at least 5.4 is needed: earlier versions give "
            "Qwen3-Reranker a random score head without an error. Raise it in "
            "requirements.server.ml.in and renew the lock file "
            "(./archon lock)"
        )
