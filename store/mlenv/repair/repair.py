"""Mends an environment or a snapshot in its place: what is damaged or missing is brought again, and only that; what was
added goes. Afterwards everything is as the manifest, which does not change, says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..core import durable, failpoints, progress
from ..core.errors import MlenvError
from ..core.model import Model
from ..environments.uv import Indexes
from ..store import manifest, metadata
from ..store.files import DIRECTORY_MODE, FileEntry, scan
from ..store.store import Store, remove_tree
from ..store.verify import parse, verify
from ..store.verify_result import Finding
from . import replace_files
from .environment_source import Rebuild
from .replace_files import Good
from .snapshot_source import Refetch


@dataclass(frozen=True)
class RepairRequest:
    """Where the good files come from. `lock` is for environments that do not keep their own; `archive` for a model from
    a directory; `endpoint` stands in for the one in a snapshot's manifest, `mirrors` are asked where it fails."""

    indexes: Indexes = field(default_factory=Indexes)
    lock: str | None = None
    archive: BinaryIO | None = None
    endpoint: str | None = None
    mirrors: tuple[str, ...] = ()
    token: str | None = None


@dataclass
class Repaired:
    """What was done to one target. `found` is the state before; `also` are other names of damaged files, in caches and
    other targets, that were mended with them, relative to the store; `brought` says what was brought again."""

    found: Finding
    also: list[str] = field(default_factory=list)
    brought: list[str] = field(default_factory=list)

    def to_json(self) -> dict:
        return {"found": self.found.to_json(), "also": self.also, "brought": self.brought}


def repair(store: Store, target: str, request: RepairRequest) -> Repaired:
    """Mend one target. Raises MlenvError for what cannot be mended; what can be, is mended all the same."""
    named = parse(target)
    root, lock = (
        (store.snapshot(named), f"model-{named.folder}-{named.revision}")
        if isinstance(named, Model)
        else (store.environment(named), f"env-{named}")
    )
    with store.working(lock, target) as (staging, descriptor):
        failpoints.reach("repair.locked")
        result = Repaired(verify(store, target, full=True))
        if result.found.ok:
            return result
        failpoints.reach("repair.found")
        _mend_papers(store, named, request)
        failpoints.reach("repair.papers")
        # With papers that are right, the same look may show more.
        finding = verify(store, target, full=True)
        remove_tree(staging)
        staging.mkdir(mode=0o755)
        try:
            _mend(
                store, root, _listed(store, named), finding, result, _source(store, named, request, staging, descriptor)
            )
        finally:
            remove_tree(staging)
        _demand_mended(verify(store, target, full=False), result)
    return result


Source = Callable[[list[FileEntry], Repaired], tuple[list[Good], Path]]
"""Brings good copies of files into staging, as many as it can; returns them, and staging."""


def _mend(
    store: Store, root: Path, entries: list[FileEntry], finding: Finding, result: Repaired, source: Source
) -> None:
    replace_files.remove_added(root, finding.added)
    wrong = {path for path, _ in finding.damaged} | set(finding.missing)
    suspects = [entry for entry in entries if entry.path in wrong]
    bad = []
    for entry in suspects:
        if replace_files.proven(root / entry.path, entry):
            # Only the mode is wrong: under all its names.
            (root / entry.path).chmod(entry.mode)
        else:
            bad.append(entry)
    if bad:
        goods, staging = source(bad, result)
        failpoints.reach("repair.proven")
        durable.sync_file_system(staging)
        failpoints.reach("repair.synced")
        others = replace_files.other_names(store, [root / good.entry.path for good in goods])
        result.also = sorted(path.relative_to(store.root).as_posix() for paths in others.values() for path in paths)
        replace_files.switch(staging, goods, root, others)
        _demand_all(bad, goods, result)
    for path, mode in scan(root).directories.items():
        if mode != DIRECTORY_MODE:
            (root / path).chmod(DIRECTORY_MODE)


def _mend_papers(store: Store, named: str | Model, request: RepairRequest) -> None:
    if isinstance(named, Model):
        metadata.mend_snapshot(store, named)
    else:
        metadata.mend_environment(store.environment(named), request.lock)


def _listed(store: Store, named: str | Model) -> list[FileEntry]:
    if isinstance(named, Model):
        return manifest.read_snapshot(store.snapshot_manifest(named))[1]
    base = store.environment(named)
    return manifest.read_environment_files(base, manifest.read_environment(base))


def _source(store: Store, named: str | Model, request: RepairRequest, staging: Path, descriptor: int) -> Source:
    def bring(bad: list[FileEntry], result: Repaired) -> tuple[list[Good], Path]:
        if isinstance(named, Model):
            work = Refetch(store, named, staging, request.endpoint, request.mirrors, request.token, request.archive)
        else:
            work = Rebuild(store, named, staging, request.indexes, request.lock, descriptor)
        return work.bring(bad, result.brought), staging

    return bring


def _demand_all(bad: list[FileEntry], goods: list[Good], result: Repaired) -> None:
    lost = sorted({entry.path for entry in bad} - {good.entry.path for good in goods})
    if lost:
        shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
        raise MlenvError(
            f"{result.found.target}: {progress.number(len(lost), 'file')} cannot be made again as the manifest lists "
            f"them: {shown}. Everything else was mended. Remove it from the store (stop the servers that use it first) "
            "and deploy again."
        )


def _demand_mended(finding: Finding, result: Repaired) -> None:
    if not finding.ok:
        raise MlenvError(
            f"{finding.target} changed while it was repaired: {'; '.join(finding.problems()[:5])}. Run this again."
        )
