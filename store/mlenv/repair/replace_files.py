"""Replaces damaged files with intact copies, each atomically. The directories stay the same, so a container that has
them mounted sees the intact files from then on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core import durable, failpoints
from ..core.disk import Inode
from ..store.files import FileEntry, sha256_of
from ..store.store import Store, remove_tree


@dataclass(frozen=True)
class VerifiedCopy:
    """A verified copy of a file of a manifest, in staging or in an intact cache."""

    entry: FileEntry
    path: Path


def is_intact(path: Path, entry: FileEntry) -> bool:
    """Whether a path is a regular file, not a link, with the size and hash of its manifest entry."""
    if path.is_symlink() or not path.is_file():
        return False
    return path.stat().st_size == entry.size and sha256_of(path) == entry.sha256


def other_links(store: Store, paths: Iterable[Path]) -> dict[Path, list[Path]]:
    """For each file: its other hard links in the store. They share its bytes, and therefore its damage."""
    inodes: dict[Inode, Path] = {}
    for path in paths:
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            if status.st_nlink > 1:
                inodes[status.st_dev, status.st_ino] = path
    found: dict[Path, list[Path]] = {path: [] for path in inodes.values()}
    if inodes:
        for root in (store.uv_cache, store.pyc_cache, store.environments, store.hub):
            for directory, _, names, descriptor in os.fwalk(root):
                for name in names:
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    path = inodes.get((status.st_dev, status.st_ino))
                    if path and Path(directory, name) != path:
                        found[path].append(Path(directory, name))
    return found


def replace(staging: Path, copies: Iterable[VerifiedCopy], root: Path, others: dict[Path, list[Path]]) -> None:
    """Put every copy in place below `root`, after replacing the other hard links of the damaged file.

    The damaged file goes last: if this run is killed, the next one finds the remaining links by its inode. The caller
    has synced the copies.
    """
    for copy in copies:
        target = root / copy.entry.path
        # Another run may have removed a directory of a cache meanwhile.
        links = [link for link in others.get(target, ()) if link.parent.is_dir()]
        for path in (*links, target):
            _replace(staging / "switched", copy.path, path)
            failpoints.reach("repair.switched")


def remove_added(root: Path, added: Iterable[str]) -> None:
    """Remove what the manifest does not list, and directories that become empty."""
    for path in added:
        remove_tree(root / path)
        failpoints.reach("repair.removed")
        parent = (root / path).parent
        while parent != root and not any(parent.iterdir()):
            parent.rmdir()
            parent = parent.parent


def _replace(link: Path, copy: Path, target: Path) -> None:
    """Replace `target` with a hard link to `copy`, which is made at `link` first."""
    if target.is_dir() and not target.is_symlink():
        remove_tree(target)
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    os.link(copy, link)
    link.replace(target)
    # Renaming one hard link of a file to another does nothing, and leaves both.
    link.unlink(missing_ok=True)
    durable.sync_directory(target.parent)
