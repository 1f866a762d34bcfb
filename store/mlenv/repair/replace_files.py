"""Replaces damaged files by intact copies, each atomically, below directories that stay the same: a container that has
them mounted sees the intact file from then on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core import durable, failpoints
from ..core.disk import Inode
from ..store.files import FileEntry
from ..store.store import Store, remove_tree


@dataclass(frozen=True)
class VerifiedCopy:
    """A verified copy of a file of a manifest, in staging or in an intact cache."""

    entry: FileEntry
    path: Path


def digest(path: Path) -> str | None:
    """The sha256 of a regular file, None for anything else."""
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_intact(path: Path, entry: FileEntry) -> bool:
    """Whether a file has the size and hash of its manifest entry."""
    return path.is_file() and path.stat().st_size == entry.size and digest(path) == entry.sha256


def other_links(store: Store, paths: Iterable[Path]) -> dict[Path, list[Path]]:
    """For each file: its other hard links in the store. They share its bytes, so its damage too."""
    inodes: dict[Inode, Path] = {}
    for path in paths:
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            if status.st_nlink > 1:
                inodes[status.st_dev, status.st_ino] = path
    found: dict[Path, list[Path]] = {path: [] for path in inodes.values()}
    if inodes:
        for place in (store.uv_cache, store.pyc_cache, store.environments, store.hub):
            for directory, _, names, descriptor in os.fwalk(place):
                for name in names:
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    path = inodes.get((status.st_dev, status.st_ino))
                    if path and Path(directory, name) != path:
                        found[path].append(Path(directory, name))
    return found


def replace(staging: Path, copies: Iterable[VerifiedCopy], root: Path, others: dict[Path, list[Path]]) -> None:
    """Put every copy in place below `root`, and under the damaged file's other links first: through the damaged file, a
    run after a kill still finds them. The caller has synced the copies."""
    for copy in copies:
        target = root / copy.entry.path
        # Another run may have removed a directory of a cache meanwhile.
        for place in (*(other for other in others.get(target, ()) if other.parent.is_dir()), target):
            _replace(staging / "switched", copy.path, place)
            failpoints.reach("repair.switched")


def remove_added(root: Path, added: Iterable[str]) -> None:
    """Remove what does not belong there, and directories that become empty."""
    for path in added:
        remove_tree(root / path)
        failpoints.reach("repair.removed")
        parent = (root / path).parent
        while parent != root and not any(parent.iterdir()):
            parent.rmdir()
            parent = parent.parent


def _replace(link: Path, copy: Path, place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        remove_tree(place)
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    os.link(copy, link)
    link.replace(place)
    # Renaming one hard link of a file to another does nothing, and leaves both.
    link.unlink(missing_ok=True)
    durable.sync_directory(place.parent)
