"""Puts one environment in place: lock file, disk space, install, byte code, checks, manifest, sync, rename."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ..core import durable, failpoints, preflight, progress
from ..core.errors import DamagedPackagesError, MlenvError, UsageError
from ..store import known_hashes, manifest
from ..store.files import FileEntry, disk_bytes, hash_tree, normalise
from ..store.store import Store, remove_tree
from ..store.verify import check_environment, require_intact
from . import bytecode, compatibility, interpreter, uv
from .bytecode import Bytecode
from .distributions import Distribution, disk_size, installed, remove_uv_notes
from .import_check import ImportCheck
from .record_check import cross_check
from .requirements import LockFile, parse

BYTECODE_SHARE = 0.10
"""The size of byte code relative to the new packages: 0.05 measured for the CUDA closure of torch, plus a reserve."""

MARGIN_BYTES = 64_000_000
"""For directories, RECORDs and the manifest, which are new even if all other files are links: 26 MB measured, plus a
reserve."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class PopulateRequest:
    """What to put in place under `key`.

    `lock` is the text of the lock file, `python` the tag of the interpreter that it was resolved for, such as cp311,
    `imports` the modules that must be importable before the environment is published. `planned_sha256` is the hash in
    hex of the lock file that the key was derived from; None accepts any lock file.
    """

    key: str
    lock: str
    planned_sha256: str | None = None
    python: str = interpreter.TAG
    imports: tuple[str, ...] = ()
    indexes: uv.Indexes = field(default_factory=uv.Indexes)

    @property
    def lock_sha256(self) -> str:
        return hashlib.sha256(self.lock.encode()).hexdigest()


def populate(store: Store, request: PopulateRequest) -> None:
    """Make sure that the environment is in the store. Raises MlenvError, and then nothing of it is visible."""
    clock = progress.Clock()
    target = store.environment(request.key)
    _require_planned_lock(request)
    lock = parse(request.lock)
    compatibility.require_compatible(lock, request.python)
    with store.object_lock(f"env-{request.key}", f"environment {request.key}") as (staging, descriptor):
        failpoints.reach("populate.locked")
        remove_tree(staging)
        if target.exists():
            return _confirm(target, request)
        try:
            summary, new_bytes = _Build(store, request, lock, staging, descriptor).run()
        finally:
            remove_tree(staging)
    return progress.info(
        f"environment {request.key} is ready: {progress.pluralise(len(summary['packages']), 'package')}, "
        f"{progress.pluralise(summary['files'], 'file')}, {progress.size(summary['bytes'])}, "
        f"of which {progress.size(new_bytes)} are new on the disk, in {clock}"
    )


@dataclass(frozen=True)
class _Checked:
    """What is known of a complete installation: its files, the paths of those that are not as recorded, its packages as
    {name, version, bytes}, the bytes that it added to the disk, and the report of the imports."""

    entries: list[FileEntry]
    differing: list[str]
    packages: list[dict]
    new_bytes: int
    report: dict


class _Build:
    """Builds one environment in a staging directory of its own. `descriptor` holds the lock of that directory."""

    def __init__(self, store: Store, request: PopulateRequest, lock: LockFile, staging: Path, descriptor: int) -> None:
        self._store = store
        self._request = request
        self._lock = lock
        self._staging = staging
        self._base = staging / "base"
        self._descriptor = descriptor
        self._uncached = [
            item for item in lock.requirements if not uv.is_cached(store.uv_cache, item.name, item.version)
        ]
        self._fresh: frozenset[str] = frozenset()
        """Packages that this run removed from the caches and unpacked again from their archives."""
        self._hashed_since = ""
        self._seconds: dict[str, float] = {}

    def run(self) -> tuple[dict, int]:
        """Build, check and publish; returns the summary of the manifest, and how many bytes are new on the disk.

        If a cache turns out to be damaged, it removes the damaged packages from the caches and builds once more.
        """
        preflight.require(self._store.root, self._need())
        failpoints.reach("populate.preflight")
        try:
            return self._run_once()
        except DamagedPackagesError as damage:
            progress.info(f"{damage}; removing them from the caches and installing again")
            self._drop_cached(damage.packages)
            self._fresh = damage.packages
            self._uncached = [
                item for item in self._lock.requirements if item in self._uncached or item.name in damage.packages
            ]
            remove_tree(self._staging)
            return self._run_once()

    def _run_once(self) -> tuple[dict, int]:
        self._staging.mkdir(mode=0o755)
        failpoints.reach("populate.staged")
        self._timed("install", self._install)
        failpoints.reach("populate.installed")
        distributions = self._check_installed()
        compiled = self._timed("compile", lambda: self._compile(distributions))
        failpoints.reach("populate.compiled")
        # "prove" is a key of manifests: stable.
        checked = self._timed("prove", lambda: self._check(distributions, compiled))
        summary = manifest.write_environment(self._base, self._summary(checked), checked.entries, self._request.lock)
        failpoints.reach("populate.manifest")
        new_bytes = checked.new_bytes + disk_bytes(self._base / manifest.DIRECTORY, frozenset())
        self._publish(bytecode.prepare_for_cache(compiled, self._store.pyc_cache, checked.entries))
        return summary, new_bytes

    def _install(self) -> None:
        lock_file = self._staging / "lock.txt"
        lock_file.write_text(self._request.lock, encoding="utf-8")
        with progress.heartbeat(self._written_so_far()):
            uv.install(
                lock_file,
                self._base,
                cache=self._store.uv_cache,
                indexes=self._request.indexes,
                keep_open=[self._descriptor],
                doing=f"installing environment {self._request.key}",
                report=_report_installing,
            )
        remove_uv_notes(self._base)

    def _written_so_far(self) -> Callable[[], str]:
        """A function that describes how much has been written since this call."""
        before = preflight.free_bytes(self._store.root)

        def describe() -> str:
            # An estimate: other processes write to that disk too.
            written = max(0, before - preflight.free_bytes(self._store.root))
            return f"installing: about {progress.size(written)} written"

        return describe

    def _check_installed(self) -> list[Distribution]:
        distributions = list(installed(self._base))
        differing = {item.name for item in distributions} ^ {item.name for item in self._lock.requirements}
        if differing:
            raise MlenvError(f"installation and lock file differ in these packages: {', '.join(sorted(differing))}")
        return distributions

    def _compile(self, distributions: Sequence[Distribution]) -> Bytecode:
        compiled = bytecode.add(
            self._base,
            distributions,
            self._store.pyc_cache,
            self._staging / "pyc",
            after_batch=lambda: failpoints.reach("populate.compiling"),
        )
        refused = f", {progress.pluralise(len(compiled.refused), 'source')} refused" if compiled.refused else ""
        progress.info(f"byte code: {compiled.compiled:,} compiled, {compiled.linked:,} from the cache{refused}")
        return compiled

    def _check(self, distributions: Sequence[Distribution], compiled: Bytecode) -> _Checked:
        """Import, and meanwhile hash and measure: an import uses one processor and often waits for the disk."""
        with ImportCheck(self._base, self._request.imports, [self._descriptor]) as imports:
            entries = self._hash(distributions)
            differing = cross_check(distributions, compiled, entries, self._fresh)
            failpoints.reach("populate.hashed")
            packages = [
                {"name": item.name, "version": item.version, "bytes": disk_size(self._base, item)}
                for item in distributions
            ]
            new_bytes = self._new_bytes(distributions, compiled)
            report = imports.result()
        failpoints.reach("populate.imported")
        for line in report.describe():
            progress.info(line)
        if differing:
            names = {item.name for item in distributions if any(file.path in differing for file in item.files)}
            progress.info(
                f"{progress.pluralise(len(differing), 'file')} of {', '.join(sorted(names))} not as the RECORD "
                f"of the wheel says; the wheel itself has the hash of the lock file, so it was published like this: "
                f"{progress.first_few(differing)}"
            )
        return _Checked(entries, differing, packages, new_bytes, report.to_json())

    def _hash(self, distributions: Sequence[Distribution]) -> list[FileEntry]:
        self._hashed_since = manifest.now()
        tree = normalise(self._base)
        packages = {(item.name, item.version) for item in distributions}
        known = known_hashes.of_shared_files(self._store, self._base, tree, packages)
        if known:
            progress.info(f"{progress.pluralise(len(known), 'file')} unchanged since another environment hashed them")
        return hash_tree(self._base, tree, known=known)

    def _publish(self, moves: Sequence[tuple[Path, Path]]) -> None:
        target = self._store.environment(self._request.key)
        self._timed("sync", lambda: durable.sync_file_system(self._staging))
        failpoints.reach("populate.synced")
        for fresh, kept in moves:
            kept.parent.mkdir(mode=0o755, exist_ok=True)
            durable.move_unless_present(fresh, kept)
        failpoints.reach("populate.cached")
        durable.move_into_place(self._base, target)
        failpoints.reach("populate.renamed")

    def _need(self) -> preflight.Need:
        packages = sum(item.size or 0 for item in self._uncached)
        return preflight.Need(
            purpose=f"environment {self._request.key}",
            parts={
                f"for {progress.pluralise(len(self._uncached), 'package')} that the store does not have": packages,
                "for byte code": int(packages * BYTECODE_SHARE),
                "as a margin": MARGIN_BYTES,
            },
            unknown=tuple(str(item) for item in self._uncached if item.size is None),
        )

    def _new_bytes(self, distributions: Sequence[Distribution], compiled: Bytecode) -> int:
        """Bytes that the environment added to the disk, without its metadata. Counted, because other processes change
        the free space too."""
        uncached = {item.name for item in self._uncached}
        paths = {file.path for item in distributions if item.name in uncached for file in item.files}
        return disk_bytes(self._base, paths | compiled.new)

    def _drop_cached(self, names: frozenset[str]) -> None:
        for number, directory in enumerate(bytecode.cached_directories(self._store.pyc_cache, names)):
            # Renamed, not deleted: a run that is killed here must leave no partial directory in the cache.
            directory.rename(self._staging / f"dropped-{number}")
        uv.remove_from_cache(self._store.uv_cache, sorted(names))

    def _summary(self, checked: _Checked) -> dict:
        return {
            "key": self._request.key,
            "python": {"tag": self._request.python, "version": platform.python_version()},
            "platform": self._lock.header.get("platform", f"{platform.machine()}-{sys.platform}"),
            "lockSha256": self._request.lock_sha256,
            manifest.HASHED: self._hashed_since,
            "packages": checked.packages,
            **({"notAsRecorded": checked.differing} if checked.differing else {}),
            **checked.report,
            "seconds": self._seconds,
        }

    def _timed(self, name: str, work: Callable[[], Result]) -> Result:
        clock = progress.Clock()
        result = work()
        self._seconds[name] = clock.seconds
        progress.info(f"{name}: {clock}")
        return result


def _require_planned_lock(request: PopulateRequest) -> None:
    """Raises UsageError for another lock file than the planned one. The key is derived from the lock file when an
    update is planned, so no other one may be published under that key."""
    if request.planned_sha256 not in (None, request.lock_sha256):
        raise UsageError(
            f"environment {request.key} was planned with a lock file of sha256 {request.planned_sha256}, but standard "
            f"input holds one of sha256 {request.lock_sha256}: the file changed after planning. Nothing was installed. "
            "Run the update again: it plans a new key for the new lock file."
        )


def _confirm(target: Path, request: PopulateRequest) -> None:
    clock = progress.Clock()
    result = check_environment(target, f"envs/{request.key}")
    require_intact(result)
    recorded = manifest.read_environment(target)["lockSha256"]
    if recorded != request.lock_sha256:
        raise MlenvError(
            f"environment {request.key} was made from another lock file (sha256 {recorded[:12]}..., "
            f"given is {request.lock_sha256[:12]}...). The content of a key never changes: use another key for this "
            "lock file."
        )
    progress.info(f"environment {request.key} is already there: {result.describe()}, checked in {clock}")


def _report_installing(line: str) -> None:
    progress.info(line)
    failpoints.reach("populate.installing")
