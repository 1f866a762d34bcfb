"""Repairs an environment or a snapshot in place: replaces what is damaged or missing, removes what was added, and
leaves the rest alone. Afterwards everything matches the manifest, which does not change."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..core import durable, failpoints, progress
from ..core.errors import MlenvError
from ..core.model import Model
from ..store import manifest, metadata
from ..store.files import DIRECTORY_MODE, FileEntry, scan
from ..store.store import Store, remove_tree
from ..store.verify import parse_target, verify
from ..store.verify_result import VerifyResult
from . import replace_files
from .environment_source import EnvironmentSource
from .replace_files import VerifiedCopy
from .request import RepairRequest
from .snapshot_source import SnapshotSource


@dataclass
class RepairResult:
    """What was done to one target.

    `found` is the state before the repair. `also` are the other hard links of the damaged files, in caches and other
    targets, which were repaired too: paths relative to the store. `downloaded` are packages as `name==version`, or
    files of a snapshot.
    """

    found: VerifyResult
    also: list[str] = field(default_factory=list)
    downloaded: list[str] = field(default_factory=list)

    def to_json(self) -> dict:
        # Stable name: "brought" is what was downloaded.
        return {"found": self.found.to_json(), "also": self.also, "brought": self.downloaded}


def repair(store: Store, target: str, request: RepairRequest) -> RepairResult:
    """Repair one target. Raises MlenvError if something cannot be repaired, after repairing everything else."""
    named = parse_target(target)
    root, lock = (
        (store.snapshot(named), f"model-{named.folder}-{named.revision}")
        if isinstance(named, Model)
        else (store.environment(named), f"env-{named}")
    )
    with store.object_lock(lock, target) as (staging, descriptor):
        failpoints.reach("repair.locked")
        result = RepairResult(verify(store, target, full=True))
        if result.found.ok:
            return result
        failpoints.reach("repair.found")
        _repair_metadata(store, named, request)
        failpoints.reach("repair.papers")
        # With repaired metadata, verification may find more.
        state = verify(store, target, full=True)
        remove_tree(staging)
        staging.mkdir(mode=0o755)
        try:
            source = _source(store, named, request, staging, descriptor)
            _repair(store, root, _listed(store, named), state, result, source, staging)
        finally:
            remove_tree(staging)
        _require_repaired(verify(store, target, full=False))
    return result


def _repair(
    store: Store,
    root: Path,
    entries: list[FileEntry],
    state: VerifyResult,
    result: RepairResult,
    source: EnvironmentSource | SnapshotSource,
    staging: Path,
) -> None:
    replace_files.remove_added(root, state.added)
    wrong = {path for path, _ in state.damaged} | set(state.missing)
    bad = []
    for entry in entries:
        if entry.path not in wrong:
            continue
        if replace_files.is_intact(root / entry.path, entry):
            # Only the mode is wrong. All hard links of the file share it.
            (root / entry.path).chmod(entry.mode)
        else:
            bad.append(entry)
    if bad:
        copies = source.copies_of(bad, result.downloaded)
        failpoints.reach("repair.proven")
        durable.sync_file_system(staging)
        failpoints.reach("repair.synced")
        others = replace_files.other_links(store, [root / copy.entry.path for copy in copies])
        result.also = sorted(path.relative_to(store.root).as_posix() for paths in others.values() for path in paths)
        replace_files.replace(staging, copies, root, others)
        _require_all_copies(bad, copies, result)
    for path, mode in scan(root).directories.items():
        if mode != DIRECTORY_MODE:
            (root / path).chmod(DIRECTORY_MODE)


def _repair_metadata(store: Store, named: str | Model, request: RepairRequest) -> None:
    if isinstance(named, Model):
        metadata.repair_snapshot(store, named)
    else:
        metadata.repair_environment(store.environment(named), request.lock)


def _listed(store: Store, named: str | Model) -> list[FileEntry]:
    if isinstance(named, Model):
        return manifest.read_snapshot(store.snapshot_manifest(named))[1]
    base = store.environment(named)
    return manifest.read_environment_files(base, manifest.read_environment(base))


def _source(
    store: Store, named: str | Model, request: RepairRequest, staging: Path, descriptor: int
) -> EnvironmentSource | SnapshotSource:
    if isinstance(named, Model):
        return SnapshotSource(store, named, staging, request)
    return EnvironmentSource(store, named, staging, request, descriptor)


def _require_all_copies(bad: list[FileEntry], copies: list[VerifiedCopy], result: RepairResult) -> None:
    lost = sorted({entry.path for entry in bad} - {copy.entry.path for copy in copies})
    if lost:
        raise MlenvError(
            f"{result.found.target}: {progress.pluralise(len(lost), 'file')} cannot be made again as the manifest "
            f"lists them: {progress.first_few(lost)}. Everything else was repaired. Remove it from the store (stop "
            "the servers that use it first) and deploy again."
        )


def _require_repaired(state: VerifyResult) -> None:
    if not state.ok:
        raise MlenvError(
            f"{state.target} changed while it was repaired: {'; '.join(state.problems()[:5])}. Run this again."
        )
