"""The collector: removes environments, models and cache entries that nothing needs.

It renames each object into the trash before it deletes anything, so no partly deleted object is ever visible. What a
killed run leaves in the trash is removed by the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..core import disk, durable, failpoints, progress
from ..core.disk import Removals
from ..core.errors import MlenvError, is_no_space
from ..core.model import Model
from ..store import caches, manifest
from ..store.caches import CacheEntry
from ..store.gc_roots import StackRoots
from ..store.store import Store, remove_tree
from .reachability import RunningContainers, find_garbage

TRASH = "collected"
"""The name of the trash directory in staging."""


@dataclass
class Plan:
    """The objects to remove, each with the bytes that this frees."""

    environments: dict[str, int] = field(default_factory=dict)
    models: dict[Model, int] = field(default_factory=dict)
    staging: dict[Path, int] = field(default_factory=dict)
    wheels: dict[CacheEntry, int] = field(default_factory=dict)
    bytecode: dict[CacheEntry, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        parts = (self.environments, self.models, self.staging, self.wheels, self.bytecode)
        return sum(count for part in parts for count in part.values())

    def to_json(self) -> dict:
        return {
            "environments": [{"key": key, "bytes": count} for key, count in self.environments.items()],
            "models": [{"model": str(model), "bytes": count} for model, count in self.models.items()],
            "caches": {"wheels": sum(self.wheels.values()), "bytecode": sum(self.bytecode.values())},
            "staging": sum(self.staging.values()),
            "bytes": self.bytes,
        }

    def describe(self) -> Iterable[str]:
        """One line for each object, and one for all entries of a cache, each with its size."""
        rows = [(f"envs/{key}", count) for key, count in self.environments.items()]
        rows += [(f"models/{model}", count) for model, count in self.models.items()]
        rows += [(f"left by an interrupted run: {path.name}", count) for path, count in self.staging.items()]
        for name, part in (("unused wheel", self.wheels), ("unused byte code of one package", self.bytecode)):
            if part:
                rows.append((progress.pluralise(len(part), name), sum(part.values())))
        return (f"{name}: {progress.size(count)}" for name, count in rows)


def plan(store: Store, roots: Mapping[str, StackRoots], running: RunningContainers) -> Plan:
    """Find what nothing needs. The caller holds the exclusive lock, from before it reads the GC roots until after
    `remove`."""
    garbage = find_garbage(store, roots, running)
    for name in (*garbage.missing_environments, *garbage.missing_models):
        progress.info(f"referenced, but not in the store: {name}")
    removals, result = Removals(), Plan()
    for path in (*store.orphans(), *store.partial_writes(), *caches.partial_writes(store)):
        result.staging[path] = removals.add(path)
    for key in garbage.environments:
        result.environments[key] = removals.add(store.environment(key))
    kept_repos = {model.repo for model in set(store.all_models()).difference(garbage.models)}
    last_of_repo = {model.repo: model for model in garbage.models}
    for model in garbage.models:
        result.models[model] = removals.add(store.snapshot(model), *store.snapshot_metadata(model))
        if model.repo not in kept_repos and model == last_of_repo[model.repo]:
            result.models[model] += disk.own_size(*_model_directories(store, model))
    if not garbage.missing_environments:
        # Otherwise the caches may hold the wheels of an environment whose populate was interrupted.
        for entry in caches.unused_wheels(store, removals):
            result.wheels[entry] = removals.add(entry.path, *entry.pointers)
        for entry in caches.unused_bytecode(store, removals):
            result.bytecode[entry] = removals.add(entry.path)
    return result


def remove(store: Store, plan: Plan) -> None:
    """Remove what the plan lists: first what earlier runs left, then models, environments and cache entries."""
    for path in plan.staging:
        remove_tree(path)
    _remove_orphaned_metadata(store)
    trash = _Trash(store)
    for model in plan.models:
        _remove_model(store, model, trash)
    for key in plan.environments:
        trash.take(store.environment(key))
        failpoints.reach("collect.environment")
    for entry in (*plan.wheels, *plan.bytecode):
        for pointer in entry.pointers:
            pointer.unlink(missing_ok=True)
            failpoints.reach("collect.pointer")
        trash.take(entry.path)
        failpoints.reach("collect.cached")
    trash.empty()


class _Trash:
    """A directory in staging for what is to be deleted. Each object becomes invisible atomically."""

    def __init__(self, store: Store) -> None:
        self._path = store.staging / TRASH
        self._unsynced: set[Path] = set()
        self._count = 0

    def take(self, path: Path) -> None:
        self._path.mkdir(mode=0o755, exist_ok=True)
        path.rename(self._path / str(self._count))
        self._count += 1
        self._unsynced.add(path.parent)

    def sync(self) -> None:
        """After this, no power cut makes the hidden objects visible again, so they may be deleted."""
        while self._unsynced:
            durable.sync_directory(self._unsynced.pop())

    def empty(self) -> None:
        """Delete everything that was taken."""
        self.sync()
        failpoints.reach("collect.hidden")
        for number in range(self._count):
            remove_tree(self._path / str(number))
            failpoints.reach("collect.deleting")
        remove_tree(self._path)
        failpoints.reach("collect.deleted")


def _remove_model(store: Store, model: Model, trash: _Trash) -> None:
    """Repoint refs/main first, so that it never names a missing snapshot, and remove the metadata last, so that every
    visible snapshot can be verified."""
    _repoint_ref(store, model)
    failpoints.reach("collect.dereferenced")
    trash.take(store.snapshot(model))
    failpoints.reach("collect.snapshot")
    trash.sync()
    for path in store.snapshot_metadata(model):
        path.unlink(missing_ok=True)
        failpoints.reach("collect.paper")
    _remove_empty(*_model_directories(store, model))


def _model_directories(store: Store, model: Model) -> list[Path]:
    """The files and directories around the snapshots of a model, which go with the last snapshot. Innermost first."""
    main = store.main_ref(model)
    folder = store.hub / model.folder
    return [main, main.parent, folder / "snapshots", folder, store.manifests / model.folder]


def _repoint_ref(store: Store, model: Model) -> None:
    """If `refs/main` points to this snapshot, point it to the newest other one, or remove it."""
    main = store.main_ref(model)
    if not main.exists() or main.read_text().strip() != model.revision:
        return
    others = [other for other in store.all_models() if other.repo == model.repo and other != model]
    if others and _try_write(main, max(others, key=lambda other: _created(store, other)).revision):
        return
    main.unlink()
    durable.sync_directory(main.parent)


def _try_write(path: Path, text: str) -> bool:
    """Write a text; returns False if the disk is full. Garbage collection frees a full disk, so it must work without
    space."""
    try:
        durable.write_text(path, text)
    except OSError as error:
        if not is_no_space(error):
            raise
        return False
    return True


def _created(store: Store, model: Model) -> str:
    try:
        return manifest.read_snapshot(store.snapshot_manifest(model))[0]["created"]
    except MlenvError:
        return ""


def _remove_orphaned_metadata(store: Store) -> None:
    """Remove metadata without a snapshot. A killed removal left it, or a killed fetch, which will write it again."""
    for path in sorted(store.manifests.glob("*/*.json")):
        model = Model.from_folder(path.parent.name, path.name.split(".")[0])
        if not store.snapshot(model).is_dir():
            path.unlink()
            _remove_empty(path.parent)


def _remove_empty(*directories: Path) -> None:
    for directory in directories:
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
