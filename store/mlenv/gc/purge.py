"""Removes a store."""

from __future__ import annotations

from pathlib import Path

from ..core import disk, durable, failpoints, progress
from ..core.errors import MlenvError
from ..store.initialise import initialise
from ..store.layout import FORMAT_FILE
from ..store.store import Store, remove_tree
from .mounts import below
from .reachability import RunningContainers

_LAST = ("data", "staging", FORMAT_FILE)
"""Removed last, in this order. Other runs may wait for the locks in staging. As long as the format file exists, the
rest is still a store that a second purge can remove."""


def purge(store: Store, running: RunningContainers, *, data: bool, dry_run: bool) -> int:
    """Remove everything, the servers' own files only with `data`; returns the bytes that this frees.

    Without `data`, a store that has such files becomes an empty store that still has them. Raises MlenvError if running
    containers mount anything below the store's directory.
    """
    used = sorted({"/".join(parts) for _, parts in below(running.mounts, running.root)})
    if used:
        raise MlenvError(
            f"running containers mount {', '.join(used)} of the store {running.root}. "
            "Stop them (pulumi destroy removes those of a stack), and run this again."
        )
    paths = _to_remove(store, data)
    freed = {path: disk.size(path) for path in paths}
    for path, count in freed.items():
        progress.info(f"{'would remove' if dry_run else 'removing'} {path.name}: {progress.size(count)}")
    if not dry_run:
        _remove(store, paths)
        if (store.root / FORMAT_FILE).exists():
            initialise(store.root, [], (0, 0))
    return sum(freed.values())


def _to_remove(store: Store, data: bool) -> list[Path]:
    keeps_data = not data and any(store.data.glob("*/*"))
    kept = {"data", FORMAT_FILE} if keeps_data else set()
    if keeps_data:
        progress.info("the servers' own files stay (data/); --data removes them too")
    entries = {path.name: path for path in store.own_entries() if path.name not in kept}
    last = [entries.pop(name) for name in _LAST if name in entries]
    return [*sorted(entries.values()), *last]


def _remove(store: Store, paths: list[Path]) -> None:
    for path in paths:
        if path.name not in _LAST:
            # Renamed first: a partly deleted environment would look like a damaged one.
            hidden = store.staging / f"purged-{path.name}"
            remove_tree(hidden)
            path.rename(hidden)
            durable.sync_directory(store.root)
            failpoints.reach("purge.hidden")
            remove_tree(hidden)
        else:
            remove_tree(path)
        failpoints.reach("purge.deleting")
    durable.sync_directory(store.root)
    failpoints.reach("purge.deleted")
