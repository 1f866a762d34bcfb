"""Puts one model snapshot in place: lock, listing, disk space, files with their hashes, sync, manifest, rename,
refs/main."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..core import disk, durable, failpoints, preflight, progress
from ..core.errors import HubError, MlenvError, NoSpaceError, is_no_space
from ..core.model import Model
from ..hub.download import DownloadOptions, DownloadRequest, download
from ..hub.hub import TIMEOUT_SECONDS, RemoteFile
from ..hub.mirrors import Mirrors
from ..store import main_ref, manifest
from ..store.files import FileEntry, hash_tree, normalise
from ..store.store import Store, remove_tree
from ..store.verify import check_snapshot, require_intact
from . import archive
from .reuse import link_reusable
from .selection import select

MARGIN_BYTES = 16_000_000


@dataclass(frozen=True)
class FetchRequest:
    """Where a snapshot comes from: a tar if `archive` is given, else the hub at `endpoint`, or one of the mirrors if
    that fails.

    `timeout` is in seconds. `allow` and `ignore` are the patterns of `selection.select`. They matter only for a
    snapshot that is not in the store yet.
    """

    model: Model
    archive: BinaryIO | None = None
    endpoint: str = ""
    mirrors: tuple[str, ...] = ()
    token: str | None = None
    timeout: float = TIMEOUT_SECONDS
    options: DownloadOptions = field(default_factory=DownloadOptions)
    allow: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


def fetch(store: Store, request: FetchRequest) -> None:
    """Make sure that the snapshot is in the store. Raises MlenvError, and then nothing of it is visible."""
    clock = progress.Clock()
    model = request.model
    with store.object_lock(f"model-{model.folder}-{model.revision}", f"model {model}") as (staging, _):
        failpoints.reach("fetch.locked")
        if store.snapshot(model).exists():
            remove_tree(staging)
            return _confirm(store, model)
        try:
            files = _SnapshotFiles(store, request, staging)
            entries, source = files.from_archive(request.archive) if request.archive else files.from_hub()
            failpoints.reach("fetch.complete")
            summary = _publish(store, model, staging, entries, source)
        except (NoSpaceError, OSError) as error:
            # After any other failure, what was downloaded is kept for the next run.
            if isinstance(error, NoSpaceError) or is_no_space(error):
                remove_tree(staging)
            raise
        remove_tree(staging)
    return progress.info(
        f"model {model} is ready: {progress.pluralise(len(entries), 'file')}, "
        f"{progress.size(summary['bytes'])}, in {clock}"
    )


class _SnapshotFiles:
    """Fills `staging/snapshot` with verified files. Both methods return their entries, and the `source` of the
    manifest."""

    def __init__(self, store: Store, request: FetchRequest, staging: Path) -> None:
        self._store = store
        self._request = request
        self._model = request.model
        self._staging = staging
        self._snapshot = staging / "snapshot"

    def from_archive(self, stream: BinaryIO) -> tuple[list[FileEntry], dict]:
        """The files of a tar, if they hash to the requested revision."""
        remove_tree(self._staging)
        self._snapshot.mkdir(mode=0o755, parents=True)
        archive.extract(stream, self._snapshot)
        entries = self._entries()
        found = archive.revision(entries)
        if found != self._model.revision:
            remove_tree(self._staging)
            raise MlenvError(
                f"the archive for {self._model.repo} has revision {found}, expected was {self._model.revision}: "
                "the directory changed since its hash was taken. Run the deployment again."
            )
        return entries, {"archive": True}

    def from_hub(self) -> tuple[list[FileEntry], dict]:
        """The selected files of a commit, each with the content that the hub lists."""
        request = self._request
        mirrors = Mirrors(request.endpoint, request.mirrors, request.token, request.timeout)
        listed = {file.path: file for file in mirrors.listing(self._model)}
        failpoints.reach("fetch.listed")
        chosen = self._choose(list(listed))
        files = [listed[path] for path in chosen]
        _require_hashes(self._model, files)
        self._snapshot.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._remove_others(set(chosen))
        linked = link_reusable(self._store, self._model, files, self._snapshot)
        missing = [file for file in files if file.path not in linked]
        self._require_space(missing)
        failpoints.reach("fetch.preflight")
        hashes = linked | download(
            DownloadRequest(mirrors, self._model, missing, self._snapshot, self._staging / "parts", request.options)
        )
        tree = normalise(self._snapshot, executables=False)
        entries = [FileEntry(path, *tree.files[path], hashes[path]) for path in sorted(tree.files)]
        return entries, {"endpoint": mirrors.endpoint, "left": sorted(listed.keys() - hashes.keys())}

    def _entries(self) -> list[FileEntry]:
        return hash_tree(self._snapshot, normalise(self._snapshot, executables=False))

    def _choose(self, paths: Sequence[str]) -> list[str]:
        chosen = select(paths, self._request.allow, self._request.ignore)
        if not chosen:
            shown = ", ".join(sorted(paths)[:10]) + (", ..." if len(paths) > 10 else "")
            raise HubError(f"the patterns select no file of {self._model}; it has: {shown or 'no file at all'}")
        progress.info(f"{self._model}: {len(chosen)} of {progress.pluralise(len(paths), 'file')}")
        return chosen

    def _remove_others(self, chosen: set[str]) -> None:
        """Remove the files of an interrupted run that had other patterns."""
        for path in self._snapshot.rglob("*"):
            if not path.is_dir() and path.relative_to(self._snapshot).as_posix() not in chosen:
                path.unlink()

    def _require_space(self, files: Sequence[RemoteFile]) -> None:
        # What an interrupted run downloaded occupies its blocks already.
        present = sum(disk.own_size(path) for path in self._staging.rglob("*") if path.is_file())
        missing = max(0, sum(file.size for file in files) - present)
        parts = {f"for {progress.pluralise(len(files), 'file')}": missing, "as a margin": MARGIN_BYTES}
        preflight.require(self._store.root, preflight.Need(f"model {self._model}", parts))


def _publish(store: Store, model: Model, staging: Path, entries: Sequence[FileEntry], source: dict) -> dict:
    """Make the snapshot visible; returns its manifest.

    The manifest goes first, so that every visible snapshot can be verified; refs/main goes last, so that it never names
    a missing snapshot.
    """
    target = store.snapshot(model)
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    for directory in (store.hub, target.parent.parent):
        durable.sync_directory(directory)
    durable.sync_tree(staging / "snapshot")
    failpoints.reach("fetch.synced")
    summary = manifest.write_snapshot(
        store.snapshot_manifest(model), {"repo": model.repo, "revision": model.revision, "source": source}, entries
    )
    durable.sync_directory(store.manifests)
    failpoints.reach("fetch.manifest")
    durable.move_into_place(staging / "snapshot", target)
    failpoints.reach("fetch.renamed")
    main_ref.update(store, model)
    failpoints.reach("fetch.reference")
    return summary


def _confirm(store: Store, model: Model) -> None:
    clock = progress.Clock()
    result = check_snapshot(store, model)
    require_intact(result)
    # The run that put it in place may have been killed before it updated refs/main.
    main_ref.update(store, model)
    progress.info(f"model {model} is already there: {result.describe()}, checked in {clock}")


def _require_hashes(model: Model, files: Sequence[RemoteFile]) -> None:
    without_hash = [file.path for file in files if not (file.sha256 or file.git)]
    if without_hash:
        raise HubError(
            f"the hub lists no hash for {', '.join(without_hash[:5])} of {model}; a file without a hash is not "
            "downloaded. Use another endpoint (archon:hubEndpoint)."
        )
