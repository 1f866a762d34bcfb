"""The caches: wheels as uv unpacked them, and byte code. The files of environments are hard links into both: a cached
file that an environment uses occupies no space of its own, and one that no environment uses wastes its space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.disk import Removals
from .store import Store


@dataclass(frozen=True)
class Cached:
    """One directory of a cache. uv finds it by its `pointers`: they must be removed first, or uv would link from a
    directory that does not exist."""

    path: Path
    pointers: tuple[Path, ...] = ()


def unused_wheels(store: Store, removals: Removals) -> list[Cached]:
    """Unpacked wheels that no environment links to, except environments among the removals."""
    links = _links(store.uv_cache)
    unpacked = sorted(store.uv_cache.glob("archive-v*/*"))
    return [Cached(path, tuple(links.get(path, ()))) for path in unpacked if not removals.uses(path)]


def unused_bytecode(store: Store, removals: Removals) -> list[Cached]:
    """Cached byte code that no environment links to, except environments among the removals."""
    return [Cached(path) for path in sorted(store.pyc_cache.glob("*/*")) if not removals.uses(path)]


def partial_writes(store: Store) -> list[Path]:
    """What killed runs of uv left partly unpacked in its cache."""
    return sorted(store.uv_cache.glob(".tmp*"))


def _links(cache: Path) -> dict[Path, list[Path]]:
    """For each unpacked wheel: the links that uv finds it by, and uv's notes beside them on where it came from.

    uv names a link by the wheel, `1.0-py3-none-any`, and its notes after the link: `.http`, `.rev` and the like.
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
