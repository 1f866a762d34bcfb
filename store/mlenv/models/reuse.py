"""Links files that a new snapshot shares with another commit of the same model, instead of downloading them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..core import progress
from ..core.errors import MlenvError
from ..core.model import Model
from ..hub.content_hash import verified_sha256
from ..hub.hub import RemoteFile
from ..store import manifest
from ..store.files import FileEntry
from ..store.store import Store


def link_reusable(store: Store, model: Model, files: Sequence[RemoteFile], into: Path) -> dict[str, str]:
    """Hard-link files that the store has already, after checking their content; returns path -> sha256 of these."""
    linked = {}
    candidates = list(_other_snapshots(store, model))
    for file in files:
        target = into / file.path
        for path, entry in candidates:
            if target.exists() or not _may_match(file, entry):
                continue
            if digest := verified_sha256(file, path):
                target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                if _link(path, target):
                    linked[file.path] = digest
                    progress.info(f"{file.path}: {progress.size(file.size)}, linked from another snapshot")
    return linked


def _other_snapshots(store: Store, model: Model) -> Iterator[tuple[Path, FileEntry]]:
    """Path and entry of every file in the other snapshots of a model."""
    for path in sorted((store.manifests / model.folder).glob("*.json")):
        snapshot = store.snapshot(Model(model.repo, path.stem))
        if path.stem == model.revision or not snapshot.is_dir():
            continue
        try:
            _, entries = manifest.read_snapshot(path)
        except MlenvError:
            continue
        yield from ((snapshot / entry.path, entry) for entry in entries if (snapshot / entry.path).is_file())


def _may_match(file: RemoteFile, entry: FileEntry) -> bool:
    return file.size == entry.size and (file.sha256 == entry.sha256 if file.sha256 else file.path == entry.path)


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EMLINK, errno.EXDEV, errno.EPERM):
            raise
        return False
    return True
