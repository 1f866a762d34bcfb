"""Checks that a lock file fits this image and the models that need it."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator

from ..core.errors import UsageError
from ..core.progress import bullets
from . import interpreter
from .requirements import LockFile

OLDEST_SENTENCE_TRANSFORMERS = (5, 4)


def require_compatible(lock: LockFile, python: str) -> None:
    """Raises UsageError with everything that does not fit; `python` is the requested tag, such as cp311."""
    problems = [
        *_interpreter_problems(lock, python),
        *_platform_problems(lock.header.get("platform")),
        *_version_problems(lock),
        *_accelerator_problems(lock),
    ]
    if problems:
        raise UsageError(f"the lock file cannot be used here:\n{bullets(problems)}")


def _interpreter_problems(lock: LockFile, python: str) -> Iterator[str]:
    required = {python, lock.header.get("python", python)}
    if sys.implementation.name != "cpython" or required != {interpreter.TAG}:
        yield (
            f"this image runs {sys.implementation.name} {platform.python_version()} ({interpreter.TAG}), the request "
            f"and its lock file are for {' and '.join(sorted(required))}; use a base image with that Python, or "
            "renew the lock file (./archon lock)"
        )


def _platform_problems(target: str | None) -> Iterator[str]:
    match = re.fullmatch(r"(?P<machine>.+)-manylinux_(?P<major>\d+)_(?P<minor>\d+)", target or "")
    if not match:
        return
    machine, (_, libc) = platform.machine(), platform.libc_ver()
    required = (int(match["major"]), int(match["minor"]))
    if machine != match["machine"] or _major_minor(libc) < required:
        yield f"the lock file is for {target}, this image is {machine} with C library {libc or 'unknown'}"


def _version_problems(lock: LockFile) -> Iterator[str]:
    version = lock.version("sentence-transformers")
    if version and _major_minor(version) < OLDEST_SENTENCE_TRANSFORMERS:
        yield (
            f"it pins sentence-transformers=={version}, at least 5.4 is needed: earlier versions give "
            "Qwen3-Reranker a random score head without an error. Raise it in requirements.server.ml.in and renew "
            "the lock file (./archon lock)"
        )


def cuda_packages(lock: LockFile) -> list[str]:
    """The pinned packages that only a torch built with CUDA needs, as `name==version`."""
    return [
        str(requirement)
        for requirement in lock.requirements
        if requirement.name.startswith(("nvidia-", "cuda-")) or requirement.name in ("triton", "pytorch-triton")
    ]


def _accelerator_problems(lock: LockFile) -> Iterator[str]:
    found = cuda_packages(lock)
    if lock.header.get("accelerator") == "cpu" and found:
        yield f"it is for the accelerator cpu, but pins {', '.join(found)}; renew the lock file (./archon lock)"


def _major_minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
