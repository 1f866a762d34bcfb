"""What a store holds, and which stacks use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """The inventory as a JSON document. Raises MlenvError for damaged GC roots.

    The `bytes` of an environment or model are the lengths of its files. The bytes of a cache are the space of what no
    environment links to: the rest of a cache are hard links to files of environments.
    """
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
        "owners": gc_roots.owners(store.gc_roots),
    }


def table(inventory: dict) -> Iterator[str]:
    """The inventory as lines for people."""
    yield f"store {inventory['root']}, format {inventory['format']}"
    for kind in ("environments", "models"):
        yield f"{kind}:" if inventory[kind] else f"{kind}: none"
        for item in inventory[kind]:
            name, created = item.get("key") or item.get("model"), item["created"] or "its manifest is damaged"
            used = ", ".join(item["usedBy"]) or "no stack"
            size = "size unknown" if item["bytes"] is None else progress.size(item["bytes"])
            yield f"  {name}  {size}  {created}  used by {used}"
    unused = inventory["caches"]
    yield f"only in caches: wheels {progress.size(unused['wheels'])}, byte code {progress.size(unused['bytecode'])}"
    yield f"staging: {progress.size(inventory['staging'])}"
    for item in inventory["data"]:
        yield f"data/{item['path']}: {progress.size(item['bytes'])}"
    for item in inventory["references"]:
        yield f"{item['stack']} holds {gc_roots.describe(item)} (since {item['updated']})"


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


def _summary(read: Callable[[], dict]) -> dict:
    try:
        return read()
    except MlenvError:
        # The inventory lists the object anyway; verify reports what is wrong with its manifest.
        return {}


def _caches(store: Store) -> dict:
    no_removals = Removals()
    return {
        "wheels": sum(disk.size(entry.path) for entry in caches.unused_wheels(store, no_removals)),
        "bytecode": sum(disk.size(entry.path) for entry in caches.unused_bytecode(store, no_removals)),
    }


def _data(store: Store, path: Path) -> dict:
    return {"path": path.relative_to(store.data).as_posix(), "bytes": disk.size(path)}
