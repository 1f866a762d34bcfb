"""Creates a store, or adds the directories that an existing one lacks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from ..core import failpoints, file_lock
from ..core.durable import write_text
from ..core.errors import MlenvError, UsageError
from .layout import DIRECTORIES, FORMAT, FORMAT_FILE, recorded_format
from .store import KEY, Store

_HARMLESS = {"lost+found", FORMAT_FILE}
"""The store's format file may appear at any moment: another run may be making the store."""


def initialise(root: Path, data: Iterable[str], owner: tuple[int, int]) -> Store:
    """Create a store, or complete an existing one, and correct the modes of its directories.

    `data` are `STACK/SERVICE` directories for the servers' own files, which belong to `owner` (uid, gid). Raises
    MlenvError if the directory holds something else, or a store of a newer format.
    """
    root.mkdir(parents=True, exist_ok=True)
    if recorded_format(root) is None:
        _refuse_foreign_directory(root)
    for name, mode in DIRECTORIES.items():
        _ensure_directory(root / name, mode)
        failpoints.reach("init.directories")
    for service in data:
        _ensure_data_directory(root, service, owner)
    failpoints.reach("init.data")
    if recorded_format(root) is None:
        # Without the lock, a garbage collection could take the unfinished file for one of a killed run and remove it.
        with file_lock.acquire(root / "staging/locks/init.lock", "the initialisation of the store"):
            write_text(root / FORMAT_FILE, json.dumps({"format": FORMAT}) + "\n")
    failpoints.reach("init.format")
    return Store(root)


def _refuse_foreign_directory(root: Path) -> None:
    ours = {name.split("/")[0] for name in DIRECTORIES} | _HARMLESS
    foreign = sorted(
        entry.name
        for entry in root.iterdir()
        if entry.name not in ours and not entry.name.startswith(f".{FORMAT_FILE}.")
    )
    if foreign:
        shown = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
        raise MlenvError(
            f"{root} is not a store and not empty (it holds {shown}); name an empty or new directory (archon:root)"
        )


def _ensure_data_directory(root: Path, service: str, owner: tuple[int, int]) -> None:
    parts = service.split("/")
    if len(parts) != 2 or not all(KEY.fullmatch(part) for part in parts):
        raise UsageError(f"data directory {service!r}: expected STACK/SERVICE, of letters, digits, '.', '_' and '-'")
    stack = root / "data" / parts[0]
    _ensure_directory(stack, 0o755)
    target = stack / parts[1]
    # Mode before owner: others must not be able to read it even for a moment.
    target.mkdir(mode=0o700, exist_ok=True)
    if (target.stat().st_uid, target.stat().st_gid) != owner:
        os.chown(target, *owner)
    if target.stat().st_mode & 0o7777 != 0o700:
        target.chmod(0o700)


def _ensure_directory(path: Path, mode: int) -> None:
    path.mkdir(mode=mode, exist_ok=True)
    if path.stat().st_mode & 0o7777 != mode:
        path.chmod(mode)
