"""Imports a bundle: stages every file, compares it with its hash and syncs it, before anything becomes visible."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..core import durable, failpoints, preflight, progress
from ..core.errors import MlenvError
from ..core.model import Model
from ..store import main_ref, manifest
from ..store.files import FileEntry
from ..store.store import Store, remove_tree
from ..store.verify import check_environment, check_snapshot, require_intact
from . import bundle
from .bundle import FILES, HEAD, Bundle

MARGIN_BYTES = 64_000_000
_MAX_DOCUMENT_BYTES = 1 << 30
"""A longer bundle.json or files.tsv is refused, since both are read into memory."""

_CHUNK = 1 << 20


def import_bundle(store: Store, stream: BinaryIO, expected: str | None = None) -> None:
    """Read a bundle's stream into the store. `expected` is the name that the bundle must have; None accepts any.

    Raises MlenvError for a stream that ends early or was changed, and then nothing of it is visible. What the store has
    already is checked and left alone. Imported files have no hard links in the wheel cache, so they occupy their full
    size.
    """
    clock = progress.Clock()
    with store.object_lock("bundle", "an import") as (staging, _):
        remove_tree(staging)
        try:
            content = _Import(store, staging).receive(stream, expected)
        finally:
            remove_tree(staging)
    progress.info(f"imported bundle {content.name[:12]}: {content.describe()}, in {clock}")


class _Import:
    """One import. It extracts the bundle into `staging/store`, which has the layout of a store."""

    def __init__(self, store: Store, staging: Path) -> None:
        self._store = store
        self._staged = Store(staging / "store")
        self._done_bytes = 0

    def receive(self, stream: BinaryIO, expected: str | None) -> Bundle:
        self._staged.root.mkdir(mode=0o755, parents=True)
        try:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                content = self._extract(archive, expected)
        except (tarfile.TarError, EOFError) as error:
            raise MlenvError(f"the bundle is damaged or ended early: {error or type(error).__name__}") from error
        failpoints.reach("import.extracted")
        self._check(content)
        durable.sync_file_system(self._staged.root)
        failpoints.reach("import.synced")
        for model in content.models:
            self._publish_snapshot(model)
        for key in content.environments:
            self._publish_environment(key)
        return content

    def _extract(self, archive: tarfile.TarFile, expected: str | None) -> Bundle:
        members = iter(archive)
        content = bundle.parse(_document(archive, members, HEAD), _document(archive, members, FILES))
        if expected and content.name != expected:
            raise MlenvError(f"this is bundle {content.name}, expected was {expected}")
        progress.info(f"bundle {content.name}: {content.describe()}")
        parts = {"for the bundle": content.bytes, "as a margin": MARGIN_BYTES}
        preflight.require(self._store.root, preflight.Need(f"bundle {content.name[:12]}", parts))
        allowed_paths = _allowed_paths(self._store, content)
        with progress.heartbeat(
            lambda: f"importing: {progress.size(self._done_bytes)} of {progress.size(content.bytes)}"
        ):
            for entry in content.entries:
                _check_entry(entry, allowed_paths)
                self._extract_file(archive, next(members, None), entry)
        if extra := next(members, None):
            raise MlenvError(f"the bundle was changed: it continues with {extra.name!r}, which it does not list")
        return content

    def _extract_file(self, archive: tarfile.TarFile, member: tarfile.TarInfo | None, entry: FileEntry) -> None:
        if member is None:
            raise MlenvError(f"the bundle ended early: {entry.path} is missing, and everything after it")
        if member.name != entry.path or not member.isreg() or member.size != entry.size:
            raise MlenvError(
                f"the bundle was changed: expected {entry.path} of {entry.size} bytes, found {member.name!r}"
            )
        target = self._staged.root / entry.path
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        digest = hashlib.sha256()
        source = archive.extractfile(member)
        with target.open("xb") as stream:
            while source and (chunk := source.read(_CHUNK)):
                digest.update(chunk)
                stream.write(chunk)
                self._done_bytes += len(chunk)
        target.chmod(entry.mode)
        if target.stat().st_size != entry.size:
            raise MlenvError(f"the bundle ended early, in the middle of {entry.path}")
        if digest.hexdigest() != entry.sha256:
            raise MlenvError(f"the bundle is damaged: {entry.path} has sha256 {digest.hexdigest()}, not {entry.sha256}")
        failpoints.reach("import.extracting")

    def _check(self, content: Bundle) -> None:
        """Raises MlenvError unless the manifests of the bundle list exactly its files, with their hashes."""
        targets = [f"envs/{key}" for key in content.environments] + [f"models/{model}" for model in content.models]
        if bundle.of_store(self._staged, targets).name != content.name:
            raise MlenvError("the bundle was changed: its manifests list other files than it holds")
        for key in content.environments:
            if (found := manifest.read_environment(self._staged.environment(key)).get("key")) != key:
                raise MlenvError(f"the bundle gives environment {found!r} as {key}; refused")
        for model in content.models:
            summary, _ = manifest.read_snapshot(self._staged.snapshot_manifest(model))
            if (found := f"{summary.get('repo')}@{summary.get('revision')}") != str(model):
                raise MlenvError(f"the bundle gives {found} as {model}; refused")

    def _publish_environment(self, key: str) -> None:
        target = self._store.environment(key)
        with self._store.object_lock(f"env-{key}", f"environment {key}") as (leftover, _):
            remove_tree(leftover)
            if target.exists():
                require_intact(check_environment(target, f"envs/{key}"))
                return progress.info(f"environment {key} is already there")
            durable.move_into_place(self._staged.environment(key), target)
        failpoints.reach("import.environment")
        return progress.info(f"environment {key} is ready")

    def _publish_snapshot(self, model: Model) -> None:
        """Publish the manifest before the snapshot, and refs/main last, as a fetch does."""
        store, staged = self._store, self._staged
        with store.object_lock(f"model-{model.folder}-{model.revision}", f"model {model}") as (leftover, _):
            remove_tree(leftover)
            if store.snapshot(model).exists():
                require_intact(check_snapshot(store, model))
                main_ref.update(store, model)
                return progress.info(f"model {model} is already there")
            for path in staged.snapshot_metadata(model):
                if path.exists():
                    _move(path, store.root / path.relative_to(staged.root))
            failpoints.reach("import.manifest")
            store.snapshot(model).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            durable.move_into_place(staged.snapshot(model), store.snapshot(model))
            failpoints.reach("import.snapshot")
            main_ref.update(store, model)
        return progress.info(f"model {model} is ready")


def _document(archive: tarfile.TarFile, members: Iterator[tarfile.TarInfo], name: str) -> bytes:
    member = next(members, None)
    source = archive.extractfile(member) if member and member.isreg() and member.name == name else None
    if member is None or source is None or member.size > _MAX_DOCUMENT_BYTES:
        raise MlenvError(f"this is not a bundle: {name} is not at its beginning")
    return source.read()


def _allowed_paths(store: Store, content: Bundle) -> tuple[str, ...]:
    """Where files of a bundle may lie, relative to the root of a store: files, and directories, which end with a slash.

    Raises UsageError for an invalid key.
    """
    directories = [store.environment(key) for key in content.environments]
    directories += [store.snapshot(model) for model in content.models]
    files = [path for model in content.models for path in store.snapshot_metadata(model)]
    return (
        *(path.relative_to(store.root).as_posix() + "/" for path in directories),
        *(path.relative_to(store.root).as_posix() for path in files),
    )


def _check_entry(entry: FileEntry, allowed_paths: tuple[str, ...]) -> None:
    inside = any(entry.path.startswith(path) if path.endswith("/") else entry.path == path for path in allowed_paths)
    if not inside or any(part in ("", ".", "..") for part in entry.path.split("/")):
        raise MlenvError(
            f"the bundle lists {entry.path!r}, which belongs to none of its environments and models; refused"
        )
    if entry.mode not in (0o644, 0o755):
        raise MlenvError(f"the bundle gives {entry.path!r} the mode {entry.mode:04o}; refused")


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    source.replace(target)
    durable.sync_directory(target.parent)
