"""Removes what nobody needs: first out of sight, at once and whole, then off the disk.

Killed anywhere, something may be left that nobody sees, and the next run removes it. Nothing that is needed goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..core import disk, durable, failpoints, progress
from ..core.disk import Doomed
from ..core.errors import MlenvError, is_no_space
from ..core.model import Model
from ..store import caches, manifest
from ..store.caches import Cached
from ..store.gc_roots import References
from ..store.store import Store, remove_tree
from .reachability import Running, unneeded

HEAP = "collected"
"""The directory in staging that takes what goes."""


@dataclass
class Plan:
    """What goes, each with the bytes that become free with it, in the order of removal."""

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
        """One line for each thing that goes."""
        things = [(f"envs/{key}", count) for key, count in self.environments.items()]
        things += [(f"models/{model}", count) for model, count in self.models.items()]
        things += [(f"left by an interrupted run: {path.name}", count) for path, count in self.staging.items()]
        for name, part in (("unused wheel", self.wheels), ("unused byte code of one package", self.bytecode)):
            if part:
                things.append((progress.number(len(part), name), sum(part.values())))
        return (f"{name}: {progress.size(count)}" for name, count in things)


def plan(store: Store, references: Mapping[str, References], running: Running) -> Plan:
    """What nobody needs. Hold the store alone, from before the references are read until it is removed."""
    found = unneeded(store, references, running)
    for name in (*found.absent_environments, *found.absent_models):
        progress.say(f"referenced, but not in the store: {name}")
    doomed, result = Doomed(), Plan()
    for path in (*store.orphans(), *store.halves(), *caches.halves(store)):
        result.staging[path] = doomed.add(path)
    for key in found.environments:
        result.environments[key] = doomed.add(store.environment(key))
    for model in found.models:
        result.models[model] = doomed.add(store.snapshot(model), *store.snapshot_papers(model))
        last = model == [other for other in found.models if other.repo == model.repo][-1]
        if last and not any(other.repo == model.repo for other in set(store.all_models()).difference(found.models)):
            result.models[model] += disk.own_size(*_frame(store, model))
    if not found.absent_environments:
        # An environment that is to come, and was interrupted, has its wheels there already.
        for cached in caches.unused_wheels(store, doomed):
            result.wheels[cached] = doomed.add(cached.path, *cached.pointers)
        for cached in caches.unused_bytecode(store, doomed):
            result.bytecode[cached] = doomed.add(cached.path)
    return result


def remove(store: Store, doomed: Plan) -> None:
    """Carry a plan out."""
    for path in doomed.staging:
        remove_tree(path)
    _remove_lost_papers(store)
    heap = _Heap(store)
    for model in doomed.models:
        _take_model(store, model, heap)
    for key in doomed.environments:
        heap.take(store.environment(key))
        failpoints.reach("collect.environment")
    for cached in (*doomed.wheels, *doomed.bytecode):
        for pointer in cached.pointers:
            pointer.unlink(missing_ok=True)
            failpoints.reach("collect.pointer")
        heap.take(cached.path)
        failpoints.reach("collect.cached")
    heap.empty()


class _Heap:
    """A directory in staging. What it takes is out of sight at once, whole, and stays so after a power cut."""

    def __init__(self, store: Store) -> None:
        self._path = store.staging / HEAP
        self._sources: set[Path] = set()
        self._count = 0

    def take(self, path: Path) -> None:
        self._path.mkdir(mode=0o755, exist_ok=True)
        path.rename(self._path / str(self._count))
        self._count += 1
        self._sources.add(path.parent)

    def settle(self) -> None:
        """From here on a power cut takes no removal back: what was hidden may be deleted."""
        while self._sources:
            durable.sync_directory(self._sources.pop())

    def empty(self) -> None:
        self.settle()
        failpoints.reach("collect.hidden")
        for number in range(self._count):
            remove_tree(self._path / str(number))
            failpoints.reach("collect.deleting")
        remove_tree(self._path)
        failpoints.reach("collect.deleted")


def _take_model(store: Store, model: Model, heap: _Heap) -> None:
    """The reference first, the papers last: a name never leads to nothing, and what is visible can be verified."""
    _point_elsewhere(store, model)
    failpoints.reach("collect.dereferenced")
    heap.take(store.snapshot(model))
    failpoints.reach("collect.snapshot")
    heap.settle()
    for paper in store.snapshot_papers(model):
        paper.unlink(missing_ok=True)
        failpoints.reach("collect.paper")
    _remove_empty(*_frame(store, model))


def _frame(store: Store, model: Model) -> list[Path]:
    """What stands around the snapshots of a model, and goes with the last of them."""
    reference = store.main_ref(model)
    folder = store.hub / model.folder
    return [reference, reference.parent, folder / "snapshots", folder, store.manifests / model.folder]


def _point_elsewhere(store: Store, model: Model) -> None:
    """Let `refs/main` name the youngest snapshot that stays, or nothing."""
    reference = store.main_ref(model)
    if not reference.exists() or reference.read_text().strip() != model.revision:
        return
    others = [other for other in store.all_models() if other.repo == model.repo and other != model]
    if others and _write(reference, max(others, key=lambda other: _created(store, other)).revision):
        return
    reference.unlink()
    durable.sync_directory(reference.parent)


def _write(path: Path, text: str) -> bool:
    """Whether a text could be written: collection is the way out of a full disk, so it must go on without space."""
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


def _remove_lost_papers(store: Store) -> None:
    """Manifests and proofs of snapshots that are not there: of a killed removal, or of a fetch that was killed before
    it was through and writes them again."""
    for paper in sorted(store.manifests.glob("*/*.json")):
        model = Model.at(paper.parent.name, paper.name.split(".")[0])
        if not store.snapshot(model).is_dir():
            paper.unlink()
            _remove_empty(paper.parent)


def _remove_empty(*directories: Path) -> None:
    for directory in directories:
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
