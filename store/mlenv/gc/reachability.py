"""Which objects of a store are needed: the GC roots of all stacks, and what running containers mount."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..core.errors import UsageError
from ..core.model import Model
from ..store.gc_roots import StackRoots
from ..store.store import Store
from .mounts import Mount, in_use, parse


@dataclass(frozen=True)
class RunningContainers:
    """The bind mounts of all running containers of the engine, and the path of the store on the host."""

    mounts: tuple[Mount, ...]
    root: PurePosixPath

    @staticmethod
    def parse(document: Mapping[str, object]) -> RunningContainers:
        """Read `mounted` and `root`. Both are required: a caller must say explicitly that there are no mounts."""
        missing = [name for name in ("mounted", "root") if name not in document]
        if missing:
            raise UsageError(
                f"standard input lacks {' and '.join(missing)}: expected the bind mounts of all running containers "
                "and the directory of the store, both as paths of the host"
            )
        root = document["root"]
        if not isinstance(root, str) or not root.startswith("/") or root.strip("/") == "":
            raise UsageError(f"root {root!r}: expected the absolute path of the store on the host")
        return RunningContainers(tuple(parse(document["mounted"])), PurePosixPath("/" + root.strip("/")))


@dataclass(frozen=True)
class Garbage:
    """The environments and models of a store that nothing needs, and those that GC roots name but the store lacks."""

    environments: Sequence[str]
    models: Sequence[Model]
    missing_environments: Sequence[str]
    missing_models: Sequence[str]


def find_garbage(store: Store, roots: Mapping[str, StackRoots], running: RunningContainers) -> Garbage:
    """Compare the content of a store with what is needed."""
    mounted = in_use(running.mounts, running.root, roots.keys())
    root_keys = {key for item in roots.values() for key in item.roots.environments}
    root_models = {name for item in roots.values() for name in item.roots.models}
    keys, models = store.all_environments(), store.all_models()
    return Garbage(
        environments=[key for key in keys if key not in root_keys and not mounted.has_environment(key)],
        models=[model for model in models if str(model) not in root_models and not mounted.has_model(model)],
        missing_environments=sorted(root_keys.difference(keys)),
        missing_models=sorted(root_models.difference(map(str, models))),
    )
