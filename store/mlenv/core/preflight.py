"""Stops work that does not fit on the disk before the first byte is downloaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from . import progress
from .errors import NoSpaceError

SKIP_VARIABLE = "MLENV_TEST_SKIP_PREFLIGHT"
"""Set by tests that fill the disk while the work runs."""


@dataclass(frozen=True)
class Need:
    """Bytes that some work needs, by purpose. `unknown` names parts whose size is not known."""

    purpose: str
    parts: dict[str, int]
    unknown: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return sum(self.parts.values())


def require(path: Path, need: Need) -> None:
    """Compare a need with the free space on the file system of `path`. Raises NoSpaceError."""
    free = free_bytes(path)
    parts = ", ".join(f"{progress.size(count)} {name}" for name, count in need.parts.items() if count)
    if need.unknown:
        progress.info(
            f"the lock file does not state the size of these packages, so they are not counted: "
            f"{', '.join(need.unknown)}"
        )
    if free >= need.total or os.environ.get(SKIP_VARIABLE):
        progress.info(f"disk: {need.purpose} needs up to {progress.size(need.total)}, {progress.size(free)} are free")
        return
    raise NoSpaceError(
        f"not enough disk space for {need.purpose}: it needs up to {progress.size(need.total)} ({parts}), "
        f"{progress.size(free)} are free on {describe(path)}. Nothing was downloaded. "
        f"Free {progress.size(need.total - free)} there, or put the store on a larger disk (archon:root), "
        "and run this again."
    )


def free_bytes(path: Path) -> int:
    """The free space, without the blocks that the file system reserves for root."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def describe(path: Path) -> str:
    """The path and, in a container, the directory of the host that is mounted there."""
    innermost = None
    resolved = path.resolve()
    for line in _mounts():
        # The fields of mountinfo are listed in proc(5); the file system type and the device follow the "-".
        fields = line.split(" ")
        root, mount_point, device = _unescape(fields[3]), Path(_unescape(fields[4])), fields[fields.index("-") + 2]
        if resolved.is_relative_to(mount_point) and (
            innermost is None or len(mount_point.parts) >= len(innermost[1].parts)
        ):
            innermost = (root, mount_point, device)
    if innermost is None:
        return str(path)
    root, _, device = innermost
    if root == "/":
        return f"{path} ({device})"
    return f"{path} ({root} on {device} of the host)"


def _mounts() -> list[str]:
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _unescape(field: str) -> str:
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
