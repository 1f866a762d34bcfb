"""How much space removing directory trees frees when files have several hard links."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

STAT_BLOCK_BYTES = 512
"""The unit of `st_blocks`, whatever the block size of the file system."""

Inode = tuple[int, int]


class Removals:
    """Trees that are about to be removed, one after the other. The last hard link of a file frees its space."""

    def __init__(self) -> None:
        self._removed_links: Counter[Inode] = Counter()

    def add(self, *roots: Path) -> int:
        """Count trees as removed; returns the bytes of the blocks that this frees."""
        freed = 0
        for root in roots:
            for status in walk(root):
                inode = (status.st_dev, status.st_ino)
                self._removed_links[inode] += 1
                if stat.S_ISDIR(status.st_mode) or self._removed_links[inode] == status.st_nlink:
                    freed += status.st_blocks * STAT_BLOCK_BYTES
        return freed

    def is_linked_elsewhere(self, root: Path) -> bool:
        """Whether a file below `root` has a hard link outside of it that is not counted as removed."""
        own: Counter[Inode] = Counter()
        links: dict[Inode, int] = {}
        for status in walk(root):
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                inode = (status.st_dev, status.st_ino)
                own[inode] += 1
                links[inode] = status.st_nlink
        return any(count > own[inode] + self._removed_links[inode] for inode, count in links.items())


def size(root: Path) -> int:
    """Bytes of the blocks that a tree occupies, each file counted once."""
    seen: set[Inode] = set()
    total = 0
    for status in walk(root):
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            total += status.st_blocks * STAT_BLOCK_BYTES
    return total


def own_size(*paths: Path) -> int:
    """Bytes of the blocks that paths occupy themselves, without their content."""
    return sum(path.lstat().st_blocks * STAT_BLOCK_BYTES for path in paths if path.exists())


def walk(root: Path) -> Iterator[os.stat_result]:
    """The status of a path and of everything below it, links not followed. Files that vanish meanwhile are skipped."""
    try:
        status = root.lstat()
    except FileNotFoundError:
        return
    yield status
    pending = [str(root)] if stat.S_ISDIR(status.st_mode) else []
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    try:
                        yield entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except FileNotFoundError:
            continue
