"""The metadata of an environment or a snapshot. Each file exists twice: this module checks both copies, and repairs a
damaged one from the other."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from ..core import durable
from ..core.errors import MlenvError
from ..core.model import Model
from . import main_ref, manifest
from .files import hash_tree, scan, sha256_of
from .store import Store
from .verify_result import VerifyResult

_MODE = 0o644


def check_environment(base: Path, result: VerifyResult, *, full: bool) -> dict | None:
    """Check the metadata of a user base and add the problems to `result`.

    Returns the summary, if necessary from its copy, or None if both are damaged. The caller checks the list of files.
    Without `full`, only the size of the copy of that list is compared.
    """
    directory = base / manifest.DIRECTORY
    summary = _check_manifest(directory / manifest.MANIFEST, directory / manifest.COPY, "environment", base, result)
    if summary is None:
        return None
    expected = _metadata(directory, summary)
    present = scan(directory)
    for path, digest in expected.items():
        name = path.relative_to(base).as_posix()
        if not path.is_file():
            result.missing.append(name)
        elif digest is not None and (full or path.name == manifest.LOCK) and sha256_of(path) != digest:
            result.damaged.append((name, f"its sha256 is not the one in {manifest.MANIFEST}"))
        elif (mode := stat.S_IMODE(path.stat().st_mode)) != _MODE:
            result.damaged.append((name, f"mode {mode:04o} instead of {_MODE:04o}"))
    if not full and _sizes_differ(directory / manifest.COPIES / manifest.FILES, directory / manifest.FILES):
        name = f"{manifest.DIRECTORY}/{manifest.COPIES}/{manifest.FILES}"
        result.damaged.append((name, f"its size is not that of {manifest.FILES}"))
    names = {path.relative_to(directory).as_posix() for path in expected}
    result.added += [
        f"{manifest.DIRECTORY}/{name}" for name in sorted((*present.files, *present.special)) if name not in names
    ]
    return summary


def check_snapshot(store: Store, model: Model, result: VerifyResult) -> dict | None:
    """Check the metadata of a snapshot, which lies outside of it, and `refs/main` of the model; otherwise as above."""
    path = store.snapshot_manifest(model)
    summary = _check_manifest(path, manifest.snapshot_copy(path), "model", store.root, result)
    if not main_ref.names_a_snapshot(store, model):
        result.damaged.append((_relative(store.main_ref(model), store.root), "it names a snapshot that does not exist"))
    return summary


def repair_environment(base: Path, lock: str | None) -> None:
    """Repair each damaged metadata file of a user base from its copy.

    If both copies are damaged, the list of files is made again from the files, and the lock file is replaced by `lock`.
    Raises MlenvError if that does not give the recorded hash, or if both copies of the manifest are damaged.
    """
    directory = base / manifest.DIRECTORY
    target = f"envs/{base.name}"
    summary = _repair_manifest(directory / manifest.MANIFEST, directory / manifest.COPY, "environment", target)
    expected = _metadata(directory, summary)
    for name, digest in ((manifest.FILES, summary["filesSha256"]), (manifest.LOCK, summary["lockSha256"])):
        places = [path for path in expected if path.name == name]
        bad = [path for path in places if not path.is_file() or sha256_of(path) != digest]
        if bad:
            intact = [_text(path) for path in places if path not in bad]
            text = intact[0] if intact else _rebuilt(base, name, lock)
            if hashlib.sha256(text.encode()).hexdigest() != digest:
                raise MlenvError(_lost(target, f"{name} is damaged and cannot be made again"))
            _write(bad, text)
    for path in expected:
        path.chmod(_MODE)


def repair_snapshot(store: Store, model: Model) -> None:
    """Repair a damaged manifest of a snapshot from its copy, and point a damaged `refs/main` to this snapshot.

    Raises MlenvError if both copies are damaged.
    """
    path = store.snapshot_manifest(model)
    _repair_manifest(path, manifest.snapshot_copy(path), "model", f"models/{model}")
    if not main_ref.names_a_snapshot(store, model):
        _write([store.main_ref(model)], model.revision)


def lock_of(base: Path, summary: dict, given: str | None) -> str | None:
    """The lock file that an environment was made from: the one that it keeps, else `given` if its hash matches, else
    None."""
    path = base / manifest.DIRECTORY / manifest.LOCK
    if path.is_file() and sha256_of(path) == summary["lockSha256"]:
        return _text(path)
    matches = given is not None and hashlib.sha256(given.encode()).hexdigest() == summary["lockSha256"]
    return given if matches else None


def _metadata(directory: Path, summary: dict) -> dict[Path, str | None]:
    """The metadata files of an environment, each with its hash if the manifest states one."""
    files = {directory / manifest.MANIFEST: None, directory / manifest.FILES: summary["filesSha256"]}
    if manifest.is_sealed(summary):
        files |= {
            directory / manifest.LOCK: summary["lockSha256"],
            directory / manifest.COPY: None,
            directory / manifest.COPIES / manifest.FILES: summary["filesSha256"],
            directory / manifest.COPIES / manifest.LOCK: summary["lockSha256"],
        }
    return files


def _check_manifest(path: Path, copy: Path, kind: str, root: Path, result: VerifyResult) -> dict | None:
    try:
        summary = manifest.read(path, kind)
    except MlenvError as error:
        result.damaged.append((_relative(path, root), str(error)))
        try:
            return manifest.read(copy, kind)
        except MlenvError:
            return None
    if manifest.is_sealed(summary) and not (copy.is_file() and copy.read_bytes() == path.read_bytes()):
        result.damaged.append((_relative(copy, root), f"it is not the same as {path.name}"))
    return summary


def _repair_manifest(path: Path, copy: Path, kind: str, target: str) -> dict:
    try:
        summary, intact = manifest.read(path, kind), path
    except MlenvError as error:
        try:
            summary, intact = manifest.read(copy, kind), copy
        except MlenvError as other:
            raise MlenvError(_lost(target, f"{error}; {other}")) from error
    text = _text(intact)
    if manifest.is_sealed(summary):
        same = text.encode()
        _write([place for place in (path, copy) if not place.is_file() or place.read_bytes() != same], text)
    return summary


def _rebuilt(base: Path, name: str, lock: str | None) -> str:
    if name == manifest.FILES:
        return manifest.table(hash_tree(base, scan(base, skip=frozenset({manifest.DIRECTORY}))))
    return lock or ""


def _write(places: list[Path], text: str) -> None:
    for place in places:
        place.parent.mkdir(mode=0o755, exist_ok=True)
        durable.write_text(place, text, _MODE)


def _lost(target: str, why: str) -> str:
    return (
        f"{target} cannot be repaired: {why}. Remove it from the store (stop the servers that use it first) and deploy "
        "again."
    )


def _text(path: Path) -> str:
    """The text with its line ends unchanged."""
    return path.read_bytes().decode()


def _sizes_differ(copy: Path, path: Path) -> bool:
    return copy.is_file() and path.is_file() and copy.stat().st_size != path.stat().st_size


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
