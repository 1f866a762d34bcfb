"""Compares what lies in the store with the manifests. Quick: names, sizes, modes. Full: the hashes too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import manifest, progress
from .errors import MlenvError, UsageError
from .files import DIRECTORY_MODE, FileEntry, Tree, hash_tree, scan
from .store import Model, Store


@dataclass
class Finding:
    """The state of one target. `damaged` pairs a path with the reason; the others are paths."""

    target: str
    files: int = 0
    bytes: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.damaged or self.missing or self.added)

    def problems(self) -> list[str]:
        """One line for each file that is not as it should be."""
        return (
            [f"damaged: {path} ({reason})" for path, reason in self.damaged]
            + [f"missing: {path}" for path in self.missing]
            + [f"added: {path}" for path in self.added]
        )

    def describe(self) -> str:
        """How much was compared, in words."""
        return f"{progress.number(self.files, 'file')}, {progress.size(self.bytes)}"

    def to_json(self) -> dict:
        return {
            "target": self.target,
            "ok": self.ok,
            "files": self.files,
            "bytes": self.bytes,
            "damaged": [{"path": path, "reason": reason} for path, reason in self.damaged],
            "missing": self.missing,
            "added": self.added,
        }


def everything(store: Store) -> list[str]:
    """All targets of a store: `envs/KEY` and `models/ORG/NAME@COMMIT`."""
    return [f"envs/{key}" for key in store.all_environments()] + [f"models/{model}" for model in store.all_models()]


def verify(store: Store, target: str, *, full: bool) -> Finding:
    """Check one target. Raises UsageError for a target that is not one, MlenvError for one that is not in the store."""
    kind, _, rest = target.partition("/")
    if kind == "envs" and rest:
        return check_environment(store.environment(rest), target, full=full)
    repo, _, revision = rest.partition("@")
    if kind == "models" and repo and revision:
        return check_snapshot(store, Model.parse(repo, revision), full=full)
    raise UsageError(f"target {target!r}: expected envs/KEY or models/ORG/NAME@COMMIT")


def demand_intact(finding: Finding) -> None:
    """Raises MlenvError with the first problems of a target that is to be used as it is."""
    if finding.ok:
        return
    problems = finding.problems()
    listing = "\n".join(f"  - {problem}" for problem in problems[:10])
    more = f"\n  ... and {len(problems) - 10} more" if len(problems) > 10 else ""
    raise MlenvError(
        f"{finding.target} is in the store but was changed:\n{listing}{more}\n"
        "Stop the servers that use it, remove that directory from the store, and run this again."
    )


def check_environment(base: Path, target: str, *, full: bool = False) -> Finding:
    """Compare an environment with its manifest."""
    _demand(base, target)
    finding = Finding(target)
    try:
        entries = manifest.read_environment_files(base, manifest.read_environment(base))
    except MlenvError as error:
        finding.damaged.append((manifest.DIRECTORY, str(error)))
        return finding
    _compare(finding, base, entries, scan(base, skip=frozenset({manifest.DIRECTORY})), full)
    return finding


def check_snapshot(store: Store, model: Model, *, full: bool = False) -> Finding:
    """Compare a model snapshot with its manifest."""
    target = f"models/{model}"
    snapshot = store.snapshot(model)
    _demand(snapshot, target)
    finding = Finding(target)
    try:
        _, entries = manifest.read_snapshot(store.snapshot_manifest(model))
    except MlenvError as error:
        finding.damaged.append((str(store.snapshot_manifest(model).relative_to(store.root)), str(error)))
        return finding
    _compare(finding, snapshot, entries, scan(snapshot), full)
    return finding


def _demand(path: Path, target: str) -> None:
    if not path.is_dir():
        raise MlenvError(f"{target} is not in the store ({path} does not exist)")


def _compare(finding: Finding, root: Path, entries: Sequence[FileEntry], tree: Tree, full: bool) -> None:
    finding.files = len(entries)
    finding.bytes = sum(entry.size for entry in entries)
    present = tree.files
    intact = {}
    for entry in entries:
        found = present.get(entry.path)
        if found is None:
            finding.missing.append(entry.path)
        elif found != (entry.size, entry.mode):
            finding.damaged.append((entry.path, _difference(entry, found)))
        else:
            intact[entry.path] = found
    expected = {entry.path: entry for entry in entries}
    finding.added += sorted(path for path in present if path not in expected) + sorted(tree.odd)
    finding.damaged += [
        (path or ".", f"mode {mode:04o} instead of {DIRECTORY_MODE:04o}")
        for path, mode in sorted(tree.directories.items())
        if mode != DIRECTORY_MODE
    ]
    if full:
        for entry in hash_tree(root, Tree(intact, {}, [])):
            if entry.sha256 != expected[entry.path].sha256:
                reason = f"sha256 {entry.sha256[:12]}... instead of {expected[entry.path].sha256[:12]}..."
                finding.damaged.append((entry.path, reason))


def _difference(entry: FileEntry, found: tuple[int, int]) -> str:
    size, mode = found
    reasons = []
    if size != entry.size:
        reasons.append(f"{size} bytes instead of {entry.size}")
    if mode != entry.mode:
        reasons.append(f"mode {mode:04o} instead of {entry.mode:04o}")
    return ", ".join(reasons)
