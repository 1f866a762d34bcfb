"""What a store holds, and which stacks use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core import disk, progress
from ..core.disk import Removals
from ..core.errors import MlenvError
from ..core.model import Model
from . import caches, gc_roots, manifest
from .gc_roots import StackRoots
from .layout import FORMAT
from .store import Store


def document(store: Store) -> dict:
    """The inventory as one document. `bytes` of an environment or model are the lengths of its files; of a cache, what
    only the cache has, since the files of environments are hard links into it. Raises MlenvError for damaged GC
    roots."""
    roots = gc_roots.read(store.gc_roots)
    return {
        "format": FORMAT,
        "root": str(store.root),
        "environments": [_environment(store, key, roots) for key in store.all_environments()],
        "models": [_model(store, model, roots) for model in store.all_models()],
        "caches": _caches(store),
        "staging": sum(disk.size(path) for path in store.staging.iterdir() if path.name != "locks"),
        "data": [_data(store, path) for path in sorted(store.data.glob("*/*"))],
        "references": [item.to_json() for item in roots.values()],
    }


def table(listed: dict) -> Iterator[str]:
    """The inventory as lines for people."""
    yield f"store {listed['root']}, format {listed['format']}"
    for kind in ("environments", "models"):
        yield f"{kind}:" if listed[kind] else f"{kind}: none"
        for item in listed[kind]:
            name, created = item.get("key") or item.get("model"), item["created"] or "its manifest is damaged"
            used = ", ".join(item["usedBy"]) or "no stack"
            size = "size unknown" if item["bytes"] is None else progress.size(item["bytes"])
            yield f"  {name}  {size}  {created}  used by {used}"
    waste = listed["caches"]
    yield f"only in caches: wheels {progress.size(waste['wheels'])}, byte code {progress.size(waste['bytecode'])}"
    yield f"staging: {progress.size(listed['staging'])}"
    for item in listed["data"]:
        yield f"data/{item['path']}: {progress.size(item['bytes'])}"
    for item in listed["references"]:
        counts = ", ".join(
            progress.pluralise(len(item[kind]), kind[:-1]) for kind in ("images", "environments", "models")
        )
        yield f"{item['stack']} holds {counts} (since {item['updated']})"


def _environment(store: Store, key: str, roots: dict[str, StackRoots]) -> dict:
    base = store.environment(key)
    summary = _summary(lambda: manifest.read_environment(base))
    packages = summary.get("packages")
    return {
        "key": key,
        "bytes": summary.get("bytes"),
        "created": summary.get("created"),
        "packages": None if packages is None else len(packages),
        "usedBy": gc_roots.users(roots, "environments", key),
    }


def _model(store: Store, model: Model, roots: dict[str, StackRoots]) -> dict:
    summary = _summary(lambda: manifest.read_snapshot(store.snapshot_manifest(model))[0])
    return {
        "model": str(model),
        "bytes": summary.get("bytes"),
        "created": summary.get("created"),
        # Stable name: whether there is a baseline.
        "proven": store.snapshot_baseline(model).is_file(),
        "usedBy": gc_roots.users(roots, "models", str(model)),
    }


def _summary(read) -> dict:
    try:
        return read()
    except MlenvError:
        # The inventory lists it anyway; verify reports what is wrong with it.
        return {}


def _caches(store: Store) -> dict:
    nothing = Removals()
    return {
        "wheels": sum(disk.size(cached.path) for cached in caches.unused_wheels(store, nothing)),
        "bytecode": sum(disk.size(cached.path) for cached in caches.unused_bytecode(store, nothing)),
    }


def _data(store: Store, path: Path) -> dict:
    return {"path": path.relative_to(store.data).as_posix(), "bytes": disk.size(path)}
