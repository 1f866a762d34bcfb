"""Which objects of a store are needed, and by whom: the references of all stacks, and what running containers mount."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..core.errors import UsageError
from ..core.model import Model
from ..store.gc_roots import References
from ..store.store import Store
from .mounts import Mount, in_use, parse


@dataclass(frozen=True)
class Running:
    """What the engine runs: bind mounts of all its running containers, and the store's directory as the host has it."""

    mounts: tuple[Mount, ...]
    root: PurePosixPath

    @staticmethod
    def parse(document: Mapping[str, object]) -> Running:
        """Read `mounted` and `root`. Both must be there: no mount at all is something that a caller has to say."""
        missing = [name for name in ("mounted", "root") if name not in document]
        if missing:
            raise UsageError(
                f"standard input lacks {' and '.join(missing)}: expected the bind mounts of all running containers "
                "and the directory of the store, both as the host has them"
            )
        root = document["root"]
        if not isinstance(root, str) or not root.startswith("/") or root.strip("/") == "":
            raise UsageError(f"root {root!r}: expected the absolute path of the store on the host")
        return Running(tuple(parse(document["mounted"])), PurePosixPath("/" + root.strip("/")))


@dataclass(frozen=True)
class Unneeded:
    """The environments and models of a store that nobody needs, and the referenced ones that it does not hold."""

    environments: Sequence[str]
    models: Sequence[Model]
    absent_environments: Sequence[str]
    absent_models: Sequence[str]


def unneeded(store: Store, references: Mapping[str, References], running: Running) -> Unneeded:
    """Compare what lies in a store with what is needed."""
    mounted = in_use(running.mounts, running.root, references.keys())
    environments = {key for item in references.values() for key in item.content.environments}
    models = {name for item in references.values() for name in item.content.models}
    keys, snapshots = store.all_environments(), store.all_models()
    return Unneeded(
        environments=[key for key in keys if key not in environments and not mounted.environment(key)],
        models=[model for model in snapshots if str(model) not in models and not mounted.model(model)],
        absent_environments=sorted(environments.difference(keys)),
        absent_models=sorted(models.difference(map(str, snapshots))),
    )
