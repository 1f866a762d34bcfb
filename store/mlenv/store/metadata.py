"""The metadata of an environment or a snapshot. Each file exists twice: this checks both copies and repairs one by the
other."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from ..core import durable
from ..core.errors import MlenvError
from ..core.model import Model
from . import main_ref, manifest
from .files import hash_tree, scan
from .store import Store
from .verify_result import VerifyResult

_MODE = 0o644


def check_environment(base: Path, result: VerifyResult, *, full: bool) -> dict | None:
    """Add what is wrong with the metadata of a user base; returns the summary, if necessary from its copy, or None.

    The caller checks the list of files. Without `full`, only the size of its copy is compared.
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
        elif digest is not None and (full or path.name == manifest.LOCK) and _sha256(path) != digest:
            result.damaged.append((name, f"its sha256 is not the one in {manifest.MANIFEST}"))
        elif (mode := stat.S_IMODE(path.stat().st_mode)) != _MODE:
            result.damaged.append((name, f"mode {mode:04o} instead of {_MODE:04o}"))
    if not full and _differ(directory / manifest.COPIES / manifest.FILES, directory / manifest.FILES):
        name = f"{manifest.DIRECTORY}/{manifest.COPIES}/{manifest.FILES}"
        result.damaged.append((name, f"its size is not that of {manifest.FILES}"))
    names = {path.relative_to(directory).as_posix() for path in expected}
    result.added += [
        f"{manifest.DIRECTORY}/{name}" for name in sorted((*present.files, *present.odd)) if name not in names
    ]
    return summary


def check_snapshot(store: Store, model: Model, result: VerifyResult) -> dict | None:
    """The same for a snapshot, whose metadata lies outside of it, and for `refs/main` of the model."""
    path = store.snapshot_manifest(model)
    summary = _check_manifest(path, manifest.snapshot_copy(path), "model", store.root, result)
    if not main_ref.names_a_snapshot(store, model):
        result.damaged.append((_relative(store.main_ref(model), store.root), "it names a snapshot that does not exist"))
    return summary


def repair_environment(base: Path, lock: str | None) -> None:
    """Repair one of a pair by the other, the list of files also by the files, the lock file also by the given one.

    Raises MlenvError if both copies are lost.
    """
    directory = base / manifest.DIRECTORY
    target = f"envs/{base.name}"
    summary = _repair_manifest(directory / manifest.MANIFEST, directory / manifest.COPY, "environment", target)
    expected = _metadata(directory, summary)
    for name, digest in ((manifest.FILES, summary["filesSha256"]), (manifest.LOCK, summary["lockSha256"])):
        places = [path for path in expected if path.name == name]
        bad = [path for path in places if not path.is_file() or _sha256(path) != digest]
        if bad:
            intact = [_text(path) for path in places if path not in bad]
            text = intact[0] if intact else _rebuilt(base, name, lock)
            if hashlib.sha256(text.encode()).hexdigest() != digest:
                raise MlenvError(_lost(target, f"{name} is damaged and cannot be made again"))
            _write(bad, text)
    for path in expected:
        path.chmod(_MODE)


def repair_snapshot(store: Store, model: Model) -> None:
    """The same for a snapshot."""
    path = store.snapshot_manifest(model)
    _repair_manifest(path, manifest.snapshot_copy(path), "model", f"models/{model}")
    if not main_ref.names_a_snapshot(store, model):
        _write([store.main_ref(model)], model.revision)


def lock_of(base: Path, summary: dict, given: str | None) -> str | None:
    """The lock file that an environment was made from: its own, or the given one, or None."""
    path = base / manifest.DIRECTORY / manifest.LOCK
    if path.is_file() and _sha256(path) == summary["lockSha256"]:
        return _text(path)
    fits = given is not None and hashlib.sha256(given.encode()).hexdigest() == summary["lockSha256"]
    return given if fits else None


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


def _differ(copy: Path, path: Path) -> bool:
    return copy.is_file() and path.is_file() and copy.stat().st_size != path.stat().st_size


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
