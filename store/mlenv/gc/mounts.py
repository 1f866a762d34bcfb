"""What running containers use of a store, by the directories of the host that they mount."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ..core.errors import UsageError
from ..core.model import Model
from ..core.progress import bullets


@dataclass(frozen=True)
class Mount:
    """One bind mount of a running container: its directory on the host, the stack that the container belongs to
    (`<project>-<stack>`), and the snapshots that it serves (`Org/Name@<commit>`), if these are known."""

    path: PurePosixPath
    stack: str | None = None
    models: tuple[str, ...] | None = None


@dataclass
class Mounted:
    """The objects of a store that running containers use; `all_environments` and `all_models` mean every one.

    `folders` are models (`models--Org--Name`) of which every snapshot is in use.
    """

    environments: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    all_environments: bool = False
    all_models: bool = False

    def has_environment(self, key: str) -> bool:
        return self.all_environments or key in self.environments

    def has_model(self, model: Model) -> bool:
        return self.all_models or str(model) in self.models or model.folder in self.folders


def parse(document: object) -> list[Mount]:
    """Read the list `mounted`: paths, or objects {path, stack, models}; an empty stack or models means unknown.

    `models` is a list, or one text with names separated by spaces, as in a container label. Raises UsageError that
    lists every problem.
    """
    if not isinstance(document, list):
        raise UsageError(f"mounted: expected a list of paths or {{path, stack, models}}, got {document!r}")
    problems: list[str] = []
    mounts = [_parse(item, problems) for item in document]
    if problems:
        raise UsageError(f"mounted cannot be used:\n{bullets(problems)}")
    return [mount for mount in mounts if mount]


def below(mounts: Iterable[Mount], root: PurePosixPath) -> list[tuple[Mount, tuple[str, ...]]]:
    """The mounts that lie inside the store, each with its parts below the store's directory on the host.

    A mount of the store itself or of a directory above it is left out: tools, backups and monitors have such mounts,
    which say nothing about what is in use. (This tool protects what it uses by its locks.)
    """
    inside = ((mount, mount.path) for mount in mounts if mount.path != root and mount.path.is_relative_to(root))
    return [(mount, path.relative_to(root).parts) for mount, path in inside]


def in_use(mounts: Iterable[Mount], root: PurePosixPath, stacks: Collection[str]) -> Mounted:
    """What these mounts keep. `stacks` are those that have GC roots.

    A server mounts the directory of all models. If it is known which models it serves, it keeps these. If not, it keeps
    none when its stack has GC roots, which keep them already, and otherwise every model.
    """
    result = Mounted()
    for mount, parts in below(mounts, root):
        match parts:
            case ("envs",):
                result.all_environments = True
            case ("envs", key, *_):
                result.environments.add(key)
            case ("models", "huggingface", "hub", folder) | ("models", "huggingface", "hub", folder, "snapshots"):
                result.folders.add(folder)
            case ("models", "huggingface", "hub", folder, "snapshots", revision, *_):
                result.models.add(str(Model.from_folder(folder, revision)))
            case ("models", *_) if mount.models is not None:
                result.models.update(mount.models)
            case ("models", *_) if mount.stack not in stacks:
                result.all_models = True
    return result


def _parse(item: object, problems: list[str]) -> Mount | None:
    entry = {"path": item} if isinstance(item, str) else item
    if not isinstance(entry, dict) or entry.keys() - {"path", "stack", "models"}:
        problems.append(f"expected a path or {{path, stack, models}}, got {item!r}")
        return None
    path, stack, models = entry.get("path"), entry.get("stack") or None, entry.get("models") or None
    if not isinstance(path, str) or not path.startswith("/"):
        problems.append(f"path {path!r}: expected an absolute path of the host")
        return None
    if stack is not None and not isinstance(stack, str):
        problems.append(f"{path}: stack {stack!r}: expected a string")
    names = models.split() if isinstance(models, str) else models
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        problems.append(f"{path}: models {models!r}: expected a list of strings")
        return None
    for name in names or ():
        try:
            Model.from_name(name)
        except UsageError as error:
            problems.append(f"{path}: {error}")
    return Mount(PurePosixPath(_normalised(path)), stack, None if names is None else tuple(names))


def _normalised(path: str) -> str:
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))
