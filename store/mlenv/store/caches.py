"""The caches: wheels as uv unpacked them, and byte code. The files of environments are hard links into both, so what no
environment links to any more takes space for nothing, and what one links to takes none of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.disk import Doomed
from .store import Store


@dataclass(frozen=True)
class Cached:
    """One directory of a cache. `pointers` are what uv finds it by; they must go first, or uv would link from a
    directory that is not there."""

    path: Path
    pointers: tuple[Path, ...] = ()


def unused_wheels(store: Store, doomed: Doomed) -> list[Cached]:
    """Unpacked wheels that no environment links to, apart from the doomed ones."""
    links = _links(store.uv_cache)
    unpacked = sorted(store.uv_cache.glob("archive-v*/*"))
    return [Cached(path, tuple(links.get(path, ()))) for path in unpacked if not doomed.uses(path)]


def unused_bytecode(store: Store, doomed: Doomed) -> list[Cached]:
    """Kept byte code that no environment links to, apart from the doomed ones."""
    return [Cached(path) for path in sorted(store.pyc_cache.glob("*/*")) if not doomed.uses(path)]


def halves(store: Store) -> list[Path]:
    """What killed runs of uv left half-unpacked in its cache."""
    return sorted(store.uv_cache.glob(".tmp*"))


def _links(cache: Path) -> dict[Path, list[Path]]:
    """For each unpacked wheel: the links that uv finds it by, and the notes beside them on where it came from.

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
