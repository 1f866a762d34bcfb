"""Removes what nothing needs: first each object is renamed out of sight, then deleted.

A run that is killed may leave invisible rest, which the next run removes. Nothing that is needed is ever removed.
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
from ..store.caches import Cached
from ..store.gc_roots import StackRoots
from ..store.store import Store, remove_tree
from .reachability import RunningContainers, find_garbage

TRASH = "collected"
"""The directory in staging for what is being deleted."""


@dataclass
class Plan:
    """What is removed, each with the bytes that this frees, in the order of removal."""

    environments: dict[str, int] = field(default_factory=dict)
    models: dict[Model, int] = field(default_factory=dict)
    staging: dict[Path, int] = field(default_factory=dict)
    wheels: dict[Cached, int] = field(default_factory=dict)
    bytecode: dict[Cached, int] = field(default_factory=dict)

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
        """One line for each thing that is removed."""
        things = [(f"envs/{key}", count) for key, count in self.environments.items()]
        things += [(f"models/{model}", count) for model, count in self.models.items()]
        things += [(f"left by an interrupted run: {path.name}", count) for path, count in self.staging.items()]
        for name, part in (("unused wheel", self.wheels), ("unused byte code of one package", self.bytecode)):
            if part:
                things.append((progress.pluralise(len(part), name), sum(part.values())))
        return (f"{name}: {progress.size(count)}" for name, count in things)


def plan(store: Store, roots: Mapping[str, StackRoots], running: RunningContainers) -> Plan:
    """What nothing needs. The caller holds the exclusive lock, from before it reads the GC roots until after
    `remove`."""
    found = find_garbage(store, roots, running)
    for name in (*found.missing_environments, *found.missing_models):
        progress.info(f"referenced, but not in the store: {name}")
    removals, result = Removals(), Plan()
    for path in (*store.orphans(), *store.partial_writes(), *caches.partial_writes(store)):
        result.staging[path] = removals.add(path)
    for key in found.environments:
        result.environments[key] = removals.add(store.environment(key))
    for model in found.models:
        result.models[model] = removals.add(store.snapshot(model), *store.snapshot_metadata(model))
        last = model == [other for other in found.models if other.repo == model.repo][-1]
        if last and not any(other.repo == model.repo for other in set(store.all_models()).difference(found.models)):
            result.models[model] += disk.own_size(*_model_directories(store, model))
    if not found.missing_environments:
        # An environment whose populate was interrupted has its wheels in the cache already.
        for cached in caches.unused_wheels(store, removals):
            result.wheels[cached] = removals.add(cached.path, *cached.pointers)
        for cached in caches.unused_bytecode(store, removals):
            result.bytecode[cached] = removals.add(cached.path)
    return result


def remove(store: Store, plan: Plan) -> None:
    """Carry a plan out."""
    for path in plan.staging:
        remove_tree(path)
    _remove_orphaned_metadata(store)
    trash = _Trash(store)
    for model in plan.models:
        _take_model(store, model, trash)
    for key in plan.environments:
        trash.take(store.environment(key))
        failpoints.reach("collect.environment")
    for cached in (*plan.wheels, *plan.bytecode):
        for pointer in cached.pointers:
            pointer.unlink(missing_ok=True)
            failpoints.reach("collect.pointer")
        trash.take(cached.path)
        failpoints.reach("collect.cached")
    trash.empty()


class _Trash:
    """A directory in staging. What it takes becomes invisible atomically, and stays so after a power cut."""

    def __init__(self, store: Store) -> None:
        self._path = store.staging / TRASH
        self._sources: set[Path] = set()
        self._count = 0

    def take(self, path: Path) -> None:
        self._path.mkdir(mode=0o755, exist_ok=True)
        path.rename(self._path / str(self._count))
        self._count += 1
        self._sources.add(path.parent)

    def sync(self) -> None:
        """After this, no power cut makes the hidden objects visible again, so they may be deleted."""
        while self._sources:
            durable.sync_directory(self._sources.pop())

    def empty(self) -> None:
        self.sync()
        failpoints.reach("collect.hidden")
        for number in range(self._count):
            remove_tree(self._path / str(number))
            failpoints.reach("collect.deleting")
        remove_tree(self._path)
        failpoints.reach("collect.deleted")


def _take_model(store: Store, model: Model, trash: _Trash) -> None:
    """refs/main first, so that it never names a missing snapshot; metadata last, so that a visible snapshot can be
    verified."""
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
    """The files and directories around the snapshots of a model, which are removed with the last of them."""
    main = store.main_ref(model)
    folder = store.hub / model.folder
    return [main, main.parent, folder / "snapshots", folder, store.manifests / model.folder]


def _repoint_ref(store: Store, model: Model) -> None:
    """Point `refs/main` to the newest snapshot that stays, or remove it."""
    main = store.main_ref(model)
    if not main.exists() or main.read_text().strip() != model.revision:
        return
    others = [other for other in store.all_models() if other.repo == model.repo and other != model]
    if others and _write(main, max(others, key=lambda other: _created(store, other)).revision):
        return
    main.unlink()
    durable.sync_directory(main.parent)


def _write(path: Path, text: str) -> bool:
    """Write a text; returns False on a full disk. Garbage collection frees a full disk, so it must work without
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
    """Remove metadata without a snapshot. It comes from a killed removal, or from a killed fetch, which writes it
    again."""
    for path in sorted(store.manifests.glob("*/*.json")):
        model = Model.from_folder(path.parent.name, path.name.split(".")[0])
        if not store.snapshot(model).is_dir():
            path.unlink()
            _remove_empty(path.parent)


def _remove_empty(*directories: Path) -> None:
    for directory in directories:
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
