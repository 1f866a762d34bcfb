"""GC roots: what each stack keeps in the store. One file per stack, `refs/<project>-<stack>.json`.

Beside it is `refs/<project>-<stack>.owner` as long as a deployment has claimed the name of the stack. Updates write and
remove it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core import durable
from ..core.errors import MlenvError, UsageError
from ..core.model import Model
from ..core.progress import bullets, pluralise
from .manifest import now
from .store import KEY

FORMAT = 1


@dataclass(frozen=True)
class Roots:
    """Images by name and tag, environments by key, model snapshots as `Org/Name@<40 hex>`; sorted, no duplicates."""

    images: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    @staticmethod
    def parse(document: object, where: str) -> Roots:
        """Read `{images, environments, models}`. Raises UsageError that lists every problem."""
        if not isinstance(document, dict):
            raise UsageError(f"{where}: expected an object with images, environments and models, got {document!r}")
        problems: list[str] = []
        unknown = sorted(document.keys() - _CHECKS.keys())
        if unknown:
            problems.append(f"unknown names {', '.join(unknown)}; known are {', '.join(_CHECKS)}")
        lists = {kind: _checked_names(kind, document.get(kind), problems) for kind in _CHECKS}
        if problems:
            raise UsageError(f"{where} cannot be used:\n{bullets(problems)}")
        return Roots(**lists)

    def union(self, other: Roots) -> Roots:
        return Roots(**{kind: _merged(getattr(self, kind), getattr(other, kind)) for kind in _CHECKS})

    def to_json(self) -> dict[str, list[str]]:
        return {kind: list(getattr(self, kind)) for kind in _CHECKS}


@dataclass(frozen=True)
class StackRoots:
    """The GC roots of one stack. `stack` is `<project>-<stack>`, `updated` the time as manifests write it."""

    stack: str
    updated: str
    roots: Roots

    def to_json(self) -> dict:
        return {"stack": self.stack, "updated": self.updated, **self.roots.to_json()}


def read(directory: Path) -> dict[str, StackRoots]:
    """The GC roots of all stacks, by stack. Raises MlenvError if any file cannot be read: without it, nobody knows what
    that stack keeps."""
    paths = sorted(path for path in directory.iterdir() if path.suffix == ".json" and not path.name.startswith("."))
    return {path.stem: _read(path) for path in paths}


def write(directory: Path, stack: str, roots: Roots) -> None:
    """Replace the GC roots of a stack."""
    document = {"format": FORMAT, **StackRoots(stack, now(), roots).to_json()}
    durable.write_text(path_of(directory, stack), json.dumps(document, indent=1) + "\n")


def owners(directory: Path) -> dict[str, str]:
    """Whose deployment has claimed a stack, by stack: the second line of the claim, for people."""
    return {path.stem: _second_line(path) for path in sorted(directory.glob("[!.]*.owner"))}


def forget(directory: Path, stack: str) -> None:
    """Remove the GC roots of a stack."""
    path_of(directory, stack).unlink()
    durable.sync_directory(directory)


def path_of(directory: Path, stack: str) -> Path:
    """The file with the GC roots of a stack. Raises UsageError for an invalid name."""
    if not KEY.fullmatch(stack):
        raise UsageError(f"stack {stack!r}: expected <project>-<stack>, 1 to 128 letters, digits, '.', '_' and '-'")
    return directory / f"{stack}.json"


def describe(roots: Mapping[str, Sequence[str]]) -> str:
    """How many objects `{images, environments, models}` name: `1 image, 2 environments, 0 models`."""
    return ", ".join(pluralise(len(roots[kind]), kind.removesuffix("s")) for kind in _CHECKS)


def users(all_roots: Mapping[str, StackRoots], kind: str, name: str) -> list[str]:
    """The stacks whose GC roots include an object; `kind` is images, environments or models."""
    return sorted(stack for stack, item in all_roots.items() if name in getattr(item.roots, kind))


def _second_line(path: Path) -> str:
    _, owner, *_ = [*path.read_text(encoding="utf-8", errors="replace").splitlines(), "", ""]
    return owner or "unknown"


def _read(path: Path) -> StackRoots:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError("it is not an object")
        found = document.pop("format", None)
        if isinstance(found, int) and found > FORMAT:
            raise MlenvError(
                f"{path} has format {found}, this tool knows up to {FORMAT}. A newer version of this project wrote it: "
                "use that one. Nothing was removed."
            )
        stack, updated = document.pop("stack", None), document.pop("updated", None)
        if found != FORMAT or stack != path.stem or not isinstance(updated, str):
            raise ValueError(f"format {found!r}, stack {stack!r}, updated {updated!r}")
        roots = Roots.parse(document, "its lists")
    except (ValueError, UsageError) as error:
        raise MlenvError(
            f"{path} is damaged ({error}), so what {path.stem} keeps is unknown. Nothing was removed. "
            f"Move that file away and update the stack {path.stem} before any other stack of this store: an update "
            "writes it again."
        ) from error
    return StackRoots(stack, updated, roots)


def _checked_names(kind: str, value: object, problems: list[str]) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        problems.append(f"{kind}: expected a list of strings, got {value!r}")
        return ()
    for item in value:
        if problem := _CHECKS[kind](item):
            problems.append(f"{kind}: {problem}")
    return _merged(value)


def _merged(*lists: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({item for items in lists for item in items}))


def _image_problem(name: str) -> str | None:
    return None if name.strip() == name and name else f"{name!r} is not the name of an image"


def _environment_problem(key: str) -> str | None:
    return None if KEY.fullmatch(key) else f"{key!r} is not a key: expected 1 to 128 letters, digits, '.', '_' and '-'"


def _model_problem(name: str) -> str | None:
    try:
        Model.from_name(name)
    except UsageError as error:
        return str(error)
    return None


_CHECKS = {"images": _image_problem, "environments": _environment_problem, "models": _model_problem}
