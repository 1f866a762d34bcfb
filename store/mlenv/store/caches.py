"""The caches: wheels as uv unpacked them, and byte code.

The files of environments are hard links into both. So a cached file that an environment uses takes no space of its own,
and one that no environment uses wastes its space.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.disk import Removals
from .store import Store


@dataclass(frozen=True)
class CacheEntry:
    """One directory of a cache. `pointers` are the files by which uv finds it: they must be removed first, or uv would
    look for a directory that does not exist."""

    path: Path
    pointers: tuple[Path, ...] = ()


def unused_wheels(store: Store, removals: Removals) -> list[CacheEntry]:
    """Unpacked wheels that no environment links to, except environments among the removals."""
    pointers = _pointers(store.uv_cache)
    unpacked = sorted(store.uv_cache.glob("archive-v*/*"))
    unused = [path for path in unpacked if not removals.is_linked_elsewhere(path)]
    return [CacheEntry(path, tuple(pointers.get(path, ()))) for path in unused]


def unused_bytecode(store: Store, removals: Removals) -> list[CacheEntry]:
    """Cached byte code that no environment links to, except environments among the removals."""
    cached = sorted(store.pyc_cache.glob("*/*"))
    return [CacheEntry(path) for path in cached if not removals.is_linked_elsewhere(path)]


def partial_writes(store: Store) -> list[Path]:
    """Wheels that killed runs of uv left partly unpacked in its cache."""
    return sorted(store.uv_cache.glob(".tmp*"))


def _pointers(cache: Path) -> dict[Path, list[Path]]:
    """For each unpacked wheel: the symbolic links by which uv finds it, and uv's notes on its origin beside them.

    uv names a link after the wheel, `1.0-py3-none-any`, and the notes after the link, with `.http`, `.rev` or the like
    appended.
    """
    result: dict[Path, list[Path]] = {}
    for link in _symlinks(cache):
        target = Path(link.parent / link.readlink()).resolve()
        notes = (path for path in link.parent.glob(f"{link.name}.*") if path.suffix != ".lock")
        result.setdefault(target, []).extend([*sorted(notes), link])
    return result


def _symlinks(cache: Path) -> Iterator[Path]:
    for bucket in cache.glob("wheels-v*"):
        yield from (path for path in sorted(bucket.rglob("*")) if path.is_symlink())
