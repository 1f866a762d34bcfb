"""Hashes that need not be computed again: those of files that a published environment has too.

The files of environments are hard links into the caches, so a new environment mostly consists of files that were hashed
for another one. Such a file has the recorded hash unless it was written since, and every write sets its time of
modification. What changes bytes without that time, such as a failing disk, changes them in the published environment
too: the new manifest keeps the hash of the good bytes, and a full verification finds the damage in both.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import datetime
from operator import itemgetter
from pathlib import Path

from ..core.errors import MlenvError
from . import manifest
from .files import Tree
from .store import Store

_CLOCK_MARGIN_SECONDS = 1.0
"""File systems set times by a clock that is some milliseconds late."""


def of_shared_files(store: Store, base: Path, tree: Tree, packages: Collection[tuple[str, str]]) -> dict[str, str]:
    """The hashes of files of an unfinished user base, by path, as far as a published environment tells them.

    `packages` are those of the user base as (name, version). Only the environment that shares most of them is asked.
    """
    best: tuple[int, str, dict] = (0, "", {})
    for key in store.all_environments():
        if summary := _summary(store, key):
            best = max(best, (_count_shared(summary, packages), key, summary), key=itemgetter(0))
    count, key, summary = best
    return _unchanged(store.environment(key), summary, base, tree) if count else {}


def _summary(store: Store, key: str) -> dict | None:
    try:
        summary = manifest.read_environment(store.environment(key))
    except MlenvError:
        # Verify reports what is wrong with it.
        return None
    # Manifests of earlier versions do not say when the files were hashed.
    return summary if manifest.HASHED in summary else None


def _count_shared(summary: dict, packages: Collection[tuple[str, str]]) -> int:
    return sum((item["name"], item["version"]) in packages for item in summary["packages"])


def _unchanged(published: Path, summary: dict, base: Path, tree: Tree) -> dict[str, str]:
    hashed = datetime.fromisoformat(summary[manifest.HASHED]).timestamp() - _CLOCK_MARGIN_SECONDS
    try:
        recorded = manifest.read_environment_files(published, summary)
    except MlenvError:
        return {}
    digests = {}
    for entry in recorded:
        if tree.files.get(entry.path) != (entry.size, entry.mode):
            continue
        try:
            status, other = os.lstat(f"{base}/{entry.path}"), os.lstat(f"{published}/{entry.path}")
        except FileNotFoundError:
            continue
        if os.path.samestat(status, other) and status.st_mtime < hashed:
            digests[entry.path] = entry.sha256
    return digests
