"""Compares the files of a new environment with what its wheels and the byte code cache recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..core import progress
from ..core.errors import DamagedPackagesError, MlenvError
from ..store.files import FileEntry
from .bytecode import Bytecode
from .distributions import Distribution

_SIGNATURES = ("jws", "p7s")
"""Ends of the names of signatures of a RECORD, which it does not list."""


def cross_check(
    distributions: Sequence[Distribution],
    compiled: Bytecode,
    entries: Sequence[FileEntry],
    fresh: frozenset[str] = frozenset(),
) -> list[str]:
    """Raises DamagedPackagesError for files that are missing or differ, MlenvError for files that no package recorded.

    The files of an environment are hard links into the wheel cache, so a damaged cache would spread to every new one.
    `fresh` are packages that were just unpacked from archives with the hashes of the lock file. What differs there is a
    mistake of the published RECORD, which pip and uv ignore. Returns the paths of these files.
    """
    actual = {entry.path: entry.sha256 for entry in entries}
    recorded, owners = _records(distributions, compiled)
    differing = sorted(path for path in owners if not _as_recorded(actual.get(path), recorded.get(path)))
    wrong = [path for path in differing if not owners[path] <= fresh]
    if wrong:
        names = frozenset(name for path in wrong for name in owners[path])
        raise DamagedPackagesError(
            f"{progress.pluralise(len(wrong), 'file')} of {', '.join(sorted(names))} not as recorded: "
            f"{progress.first_few(wrong)}",
            names,
        )
    signatures = {f"{each.record}.{kind}" for each in distributions for kind in _SIGNATURES}
    unowned = sorted(actual.keys() - owners.keys() - signatures)
    if unowned:
        raise MlenvError(f"the installation holds files that no package recorded: {progress.first_few(unowned)}")
    return differing


def _records(
    distributions: Iterable[Distribution], compiled: Bytecode
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """For each path: the accepted hashes, and the distributions that own it."""
    recorded: dict[str, set[str]] = {}
    owners: dict[str, set[str]] = {}
    for distribution in distributions:
        for file in distribution.files:
            owners.setdefault(file.path, set()).add(distribution.name)
            if file.sha256:
                # Two distributions may own one path, such as a shared __init__.py: one of the hashes must match.
                recorded.setdefault(file.path, set()).add(file.sha256)
    for path, name in compiled.owners.items():
        owners[path] = {name}
    for path, digest in compiled.cached_digests.items():
        recorded[path] = {digest}
    return recorded, owners


def _as_recorded(actual: str | None, recorded: set[str] | None) -> bool:
    return actual is not None and (recorded is None or actual in recorded)
