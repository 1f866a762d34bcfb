"""Puts one environment in place: lock, space, install, byte code, proof, manifest, sync, rename."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import bytecode, durable, failpoints, manifest, preflight, progress, uv
from .bytecode import Bytecode
from .distributions import Distribution, installed, installed_size
from .errors import DamagedPackagesError, MlenvError, UsageError
from .files import FileEntry, hash_tree, normalise
from .imports import ImportCheck
from .requirements import Lock, parse
from .store import Store, remove_tree
from .verify import check_environment

BYTECODE_SHARE = 0.10
"""Byte code as a part of the packages that are new: 0.05 measured for the CUDA closure of torch, more where there is less CUDA."""

MARGIN_BYTES = 64_000_000
"""Directories, RECORDs, launchers and the manifest of an environment whose files are all linked: 20 MB measured, and room."""


@dataclass(frozen=True)
class PopulateRequest:
    """`lock` is the text of the lock; `python` the tag of the interpreter that it was resolved for, such as cp311;
    `imports` the modules that must be importable from the environment before it counts as one."""

    key: str
    lock: str
    python: str = "cp311"
    imports: tuple[str, ...] = ()
    indexes: uv.Indexes = field(default_factory=uv.Indexes)


def populate(store: Store, request: PopulateRequest) -> None:
    """Make sure that the environment is in the store. Raises MlenvError; then nothing of it is visible."""
    clock = progress.Clock()
    target = store.environment(request.key)
    lock = parse(request.lock)
    _check_interpreter(request, lock)
    _check_versions(lock)
    if target.exists():
        return _confirm(target, request)
    with store.working(f"env-{request.key}", f"environment {request.key}") as (staging, descriptor):
        failpoints.reach("populate.locked")
        if target.exists():
            return _confirm(target, request)
        remove_tree(staging)
        work = _Work(store, request, lock, staging, descriptor)
        try:
            summary = work.build(target)
        except BaseException:
            remove_tree(staging)
            raise
        remove_tree(staging)
    return progress.say(
        f"environment {request.key} is ready: {progress.number(len(summary['packages']), 'package')}, "
        f"{progress.number(summary['files'], 'file')}, {progress.size(summary['bytes'])}, {work.disk_used()}, in {clock}"
    )


class _Work:
    """One attempt to build an environment in a staging directory of its own."""

    def __init__(self, store: Store, request: PopulateRequest, lock: Lock, staging: Path, descriptor: int) -> None:
        self._store = store
        self._request = request
        self._lock = lock
        self._staging = staging
        self._base = staging / "base"
        self._descriptor = descriptor
        self._free_before = preflight.free_bytes(store.root)
        self._seconds: dict[str, float] = {}

    def build(self, target: Path) -> dict:
        """Build, prove and publish; returns the summary of the manifest."""
        preflight.require(self._store.root, self._need())
        failpoints.reach("populate.preflight")
        try:
            return self._build(target)
        except DamagedPackagesError as damage:
            progress.say(f"{damage}; dropping them from the caches and installing again")
            self._drop_cached(damage.packages)
            remove_tree(self._staging)
            return self._build(target)

    def disk_used(self) -> str:
        """The change of the free space, in words: other work on the same disk is in it."""
        return f"{progress.size(max(0, self._free_before - preflight.free_bytes(self._store.root)))} of new disk"

    def _build(self, target: Path) -> dict:
        self._staging.mkdir(mode=0o755)
        failpoints.reach("populate.staged")
        self._timed("install", self._install)
        failpoints.reach("populate.installed")
        distributions = self._check_installed()
        compiled = self._timed("compile", lambda: self._compile(distributions))
        failpoints.reach("populate.compiled")
        with ImportCheck(self._base, self._request.imports, [self._descriptor]) as imports:
            entries = self._timed("hash", lambda: hash_tree(self._base, normalise(self._base)))
            failpoints.reach("populate.hashed")
            _cross_check(distributions, compiled, entries)
            proof = self._timed("import", imports.result)
        _report_imports(proof)
        failpoints.reach("populate.imported")
        summary = manifest.write_environment(self._base, self._summary(distributions, proof), entries)
        failpoints.reach("populate.manifest")
        self._publish(target, bytecode.keep(compiled, self._store.pyc_cache, entries))
        return summary

    def _install(self) -> None:
        text = self._staging / "lock.txt"
        text.write_text(self._request.lock)
        uv.run(
            ["pip", "install", "--prefix", str(self._base), "--python", str(uv.BASE_PYTHON), "--requirements", str(text)]
            + ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "hardlink"],
            cache=self._store.uv_cache,
            indexes=self._request.indexes,
            keep_open=[self._descriptor],
            doing=f"installing environment {self._request.key}",
            report=_report_installing,
        )
        # uv locks a prefix by a file inside it that everybody may write to.
        (self._base / ".lock").unlink(missing_ok=True)

    def _check_installed(self) -> list[Distribution]:
        distributions = list(installed(self._base))
        have = {distribution.name for distribution in distributions}
        want = {requirement.name for requirement in self._lock.requirements}
        if have != want:
            raise MlenvError(f"the installation does not match the lock; only in one of them: {', '.join(sorted(have ^ want))}")
        return distributions

    def _compile(self, distributions: Sequence[Distribution]) -> Bytecode:
        compiled = bytecode.add(
            self._base,
            distributions,
            self._store.pyc_cache,
            self._staging / "pyc",
            on_batch=lambda: failpoints.reach("populate.compiling"),
        )
        refused = f", {progress.number(len(compiled.refused), 'source')} refused" if compiled.refused else ""
        progress.say(f"byte code: {compiled.compiled:,} compiled, {compiled.linked:,} from the cache{refused}")
        return compiled

    def _publish(self, target: Path, moves: Sequence[tuple[Path, Path]]) -> None:
        self._timed("sync", lambda: durable.sync_file_system(self._staging))
        failpoints.reach("populate.synced")
        for fresh, kept in moves:
            kept.parent.mkdir(mode=0o755, exist_ok=True)
            if not kept.exists():
                os.rename(fresh, kept)
        failpoints.reach("populate.cached")
        os.rename(self._base, target)
        durable.sync_directory(target.parent)
        failpoints.reach("populate.renamed")

    def _need(self) -> preflight.Need:
        present = _packages_in_cache(self._store)
        new = [item for item in self._lock.requirements if (item.name, item.version) not in present]
        packages = sum(item.size or 0 for item in new)
        return preflight.Need(
            purpose=f"environment {self._request.key}",
            parts={
                f"for {progress.number(len(new), 'package')} that the store does not hold": packages,
                "for byte code": int(packages * BYTECODE_SHARE),
                "as a margin": MARGIN_BYTES,
            },
            unknown=tuple(str(item) for item in new if item.size is None),
        )

    def _drop_cached(self, names: frozenset[str]) -> None:
        for directory in bytecode.forget(self._base, installed(self._base), self._store.pyc_cache, names):
            remove_tree(directory)
        uv.run(["cache", "clean", *sorted(names)], cache=self._store.uv_cache, doing="cleaning the wheel cache")

    def _summary(self, distributions: Sequence[Distribution], proof: dict) -> dict:
        return {
            "key": self._request.key,
            "python": {"tag": self._request.python, "version": platform.python_version()},
            "platform": self._lock.header.get("platform", f"{sys.platform}-{platform.machine()}"),
            "lockSha256": _sha256(self._request.lock),
            "packages": [
                {
                    "name": item.name,
                    "version": item.version,
                    "bytes": installed_size(self._base, item),
                    "distInfo": item.dist_info,
                }
                for item in distributions
            ],
            **proof,
            "seconds": self._seconds,
        }

    def _timed(self, name: str, work):
        clock = progress.Clock()
        result = work()
        self._seconds[name] = clock.seconds
        progress.say(f"{name}: {clock}")
        return result


def _check_interpreter(request: PopulateRequest, lock: Lock) -> None:
    running = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wanted = {request.python, lock.header.get("python", request.python)}
    if sys.implementation.name != "cpython" or wanted != {running}:
        raise UsageError(
            f"this image runs {sys.implementation.name} {platform.python_version()} ({running}), but the request and its lock "
            f"are for {' and '.join(sorted(wanted))}; use a base image with that Python, or renew the lock (npm run lock)"
        )
    target = lock.header.get("platform")
    match = re.fullmatch(r"(?P<machine>.+)-manylinux_(?P<major>\d+)_(?P<minor>\d+)", target or "")
    if not match:
        return
    machine, (_, libc) = platform.machine(), platform.libc_ver()
    needed = (int(match["major"]), int(match["minor"]))
    have = tuple(int(part) for part in libc.split(".")[:2]) if libc else (0, 0)
    if machine != match["machine"] or have < needed:
        raise UsageError(f"the lock is for {target}, this image is {machine} with C library {libc or 'unknown'}")


def _check_versions(lock: Lock) -> None:
    version = lock.version("sentence-transformers")
    if version and tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < (5, 4):
        raise UsageError(
            f"the lock pins sentence-transformers=={version}; at least 5.4 is needed: below, CrossEncoder gives Qwen3-Reranker "
            "a random score head and reports no error. Raise it in requirements.server.ml.in and renew the lock (npm run lock)"
        )


def _confirm(target: Path, request: PopulateRequest) -> None:
    clock = progress.Clock()
    finding = check_environment(target, f"envs/{request.key}")
    if not finding.ok:
        problems = finding.problems()
        listing = "\n".join(f"  - {problem}" for problem in problems[:10])
        more = f"\n  ... and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise MlenvError(
            f"environment {request.key} is in the store but was changed:\n{listing}{more}\n"
            "Stop the servers that use it, remove that directory of the store, and run this again."
        )
    recorded = manifest.read_environment(target)["lockSha256"]
    if recorded != _sha256(request.lock):
        raise MlenvError(
            f"environment {request.key} was made from another lock (sha256 {recorded[:12]}..., given {_sha256(request.lock)[:12]}...); "
            "a key stands for its content for ever: give this lock a key of its own"
        )
    progress.say(
        f"environment {request.key} is already there: {progress.number(finding.files, 'file')}, "
        f"{progress.size(finding.bytes)}, names, sizes and modes checked in {clock}"
    )


def _cross_check(distributions: Sequence[Distribution], compiled: Bytecode, entries: Sequence[FileEntry]) -> None:
    """Compare the hashes on the disk with those that the wheels and the byte code cache recorded."""
    actual = {entry.path: entry.sha256 for entry in entries}
    recorded: dict[str, set[str]] = {}
    owners: dict[str, set[str]] = {}
    for distribution in distributions:
        for file in distribution.files:
            owners.setdefault(file.path, set()).add(distribution.name)
            if file.sha256:
                # Two distributions may own one path, a shared __init__.py say: one of them must be right.
                recorded.setdefault(file.path, set()).add(file.sha256)
    for path, digest in compiled.sums.items():
        recorded[path] = {digest}
    for path, name in compiled.owners.items():
        owners.setdefault(path, {name})
    wrong = sorted(path for path in owners if path not in actual or actual[path] not in recorded.get(path, {actual[path]}))
    if wrong:
        names = frozenset(name for path in wrong for name in owners[path])
        shown = ", ".join(wrong[:5]) + (", ..." if len(wrong) > 5 else "")
        raise DamagedPackagesError(f"{progress.number(len(wrong), 'file')} of {', '.join(sorted(names))} not as recorded: {shown}", names)
    unowned = sorted(actual.keys() - owners.keys())
    if unowned:
        raise MlenvError(f"files that no package recorded: {', '.join(unowned[:5])}{', ...' if len(unowned) > 5 else ''}")


def _packages_in_cache(store: Store) -> set[tuple[str, str]]:
    """Packages of earlier environments whose files the wheel cache still holds, so that they take no space again."""
    holders: Counter[tuple[str, str]] = Counter()
    links: dict[tuple[str, str], int] = {}
    for base in store.environments.iterdir():
        try:
            summary = manifest.read_environment(base)
        except MlenvError:
            continue
        for package in summary["packages"]:
            name = (package["name"], package["version"])
            holders[name] += 1
            metadata = base / package["distInfo"] / "METADATA"
            links[name] = metadata.stat().st_nlink if metadata.exists() else 0
    return {name for name, count in holders.items() if links[name] > count}


def _report_installing(line: str) -> None:
    progress.say(line)
    failpoints.reach("populate.installing")


def _report_imports(proof: dict) -> None:
    for item in proof["imports"]:
        progress.say(f"imported {item['module']} {item['version'] or ''} in {item['seconds']:.1f} s".replace("  ", " "))
    if cuda := proof.get("cuda"):
        built = f"built for CUDA {cuda['version']}" if cuda["version"] else "built without CUDA"
        progress.say(f"torch: {built}, a GPU is {'available' if cuda['available'] else 'not available'} here")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
