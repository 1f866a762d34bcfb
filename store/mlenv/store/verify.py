"""Compares the content of the store with its manifests: names, sizes and modes; in a full verification, hashes too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import MlenvError, NotInStoreError, UsageError
from ..core.model import Model
from ..core.progress import bullets
from . import manifest, metadata, stat_check
from .files import DIRECTORY_MODE, FileEntry, Hashed, Tree, hash_tree, ignore, scan
from .store import Store
from .verify_result import VerifyResult


def everything(store: Store) -> list[str]:
    """All targets of a store: `envs/KEY` and `models/ORG/NAME@COMMIT`."""
    return [f"envs/{key}" for key in store.all_environments()] + [f"models/{model}" for model in store.all_models()]


def verify(store: Store, target: str, *, full: bool, hashed: Hashed = ignore) -> VerifyResult:
    """Check one target. Raises UsageError for a malformed target, NotInStoreError for one that is not in the store."""
    named = parse_target(target)
    if isinstance(named, Model):
        return check_snapshot(store, named, full=full, hashed=hashed)
    return check_environment(store.environment(named), target, full=full, hashed=hashed)


def parse_target(target: str) -> str | Model:
    """The key of `envs/KEY`, or the model of `models/ORG/NAME@COMMIT`. Raises UsageError for anything else."""
    kind, _, rest = target.partition("/")
    if kind == "envs" and rest:
        return rest
    repo, _, revision = rest.partition("@")
    if kind == "models" and repo and revision:
        return Model.parse(repo, revision)
    raise UsageError(f"target {target!r}: expected envs/KEY or models/ORG/NAME@COMMIT")


def require_intact(result: VerifyResult) -> None:
    """Raises MlenvError with the first problems of a target that must be intact."""
    if result.ok:
        return
    problems = result.problems()
    more = f"\n  ... and {len(problems) - 10} more" if len(problems) > 10 else ""
    raise MlenvError(
        f"{result.target} is in the store but was changed:\n{bullets(problems[:10])}{more}\n"
        f"Repair it: mlenv repair {result.target} (./archon verify --repair)."
    )


def check_environment(base: Path, target: str, *, full: bool = False, hashed: Hashed = ignore) -> VerifyResult:
    """Compare an environment with its manifest. `hashed` is called with the size of each file that was read."""
    _require_present(base, target)
    result = VerifyResult(target)
    summary = metadata.check_environment(base, result, full=full)
    if summary is None:
        return result
    result.files, result.bytes = summary["files"], summary["bytes"]
    try:
        text = manifest.read_table(base, summary)
    except MlenvError as error:
        name = f"{manifest.DIRECTORY}/{manifest.FILES}"
        if name not in (*result.missing, *(path for path, _ in result.damaged)):
            result.damaged.append((name, str(error)))
        return result
    if not full and stat_check.matches(base, text):
        return result
    entries = manifest.read_environment_files(base, summary)
    _compare(result, base, entries, scan(base, skip=frozenset({manifest.DIRECTORY})), full, hashed)
    return result


def check_snapshot(store: Store, model: Model, *, full: bool = False, hashed: Hashed = ignore) -> VerifyResult:
    """Compare a model snapshot with its manifest. `hashed` is called with the size of each file that was read."""
    target = f"models/{model}"
    snapshot = store.snapshot(model)
    _require_present(snapshot, target)
    result = VerifyResult(target)
    if summary := metadata.check_snapshot(store, model, result):
        entries = manifest.entries_of(summary)
        result.files, result.bytes = len(entries), summary["bytes"]
        _compare(result, snapshot, entries, scan(snapshot), full, hashed)
    return result


def _require_present(path: Path, target: str) -> None:
    if not path.is_dir():
        raise NotInStoreError(f"{target} is not in the store ({path} does not exist)")


def _compare(
    result: VerifyResult, root: Path, entries: Sequence[FileEntry], tree: Tree, full: bool, hashed: Hashed
) -> None:
    same_size_and_mode = {}
    for entry in entries:
        found = tree.files.get(entry.path)
        if found is None:
            result.missing.append(entry.path)
        elif found != (entry.size, entry.mode):
            result.damaged.append((entry.path, _difference(entry, found)))
        else:
            same_size_and_mode[entry.path] = found
    expected = {entry.path: entry for entry in entries}
    result.added += sorted(path for path in tree.files if path not in expected) + sorted(tree.special)
    result.damaged += [
        (path or ".", f"mode {mode:04o} instead of {DIRECTORY_MODE:04o}")
        for path, mode in sorted(tree.directories.items())
        if mode != DIRECTORY_MODE
    ]
    if full:
        for entry in hash_tree(root, Tree(same_size_and_mode, {}, []), hashed):
            if entry.sha256 != expected[entry.path].sha256:
                reason = f"sha256 {entry.sha256[:12]}... instead of {expected[entry.path].sha256[:12]}..."
                result.damaged.append((entry.path, reason))


def _difference(entry: FileEntry, found: tuple[int, int]) -> str:
    size, mode = found
    reasons = []
    if size != entry.size:
        reasons.append(f"{size} bytes instead of {entry.size}")
    if mode != entry.mode:
        reasons.append(f"mode {mode:04o} instead of {entry.mode:04o}")
    return ", ".join(reasons)
