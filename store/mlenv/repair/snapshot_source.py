"""Intact copies of the files of a snapshot: from another snapshot of the model, from the hub, or from an archive."""

from __future__ import annotations

from pathlib import Path

from ..core import failpoints, preflight, progress
from ..core.errors import MlenvError
from ..core.model import Model
from ..hub.download import DownloadRequest, download
from ..hub.hub import RemoteFile
from ..hub.mirrors import Mirrors
from ..models import archive
from ..store import manifest
from ..store.files import FileEntry
from ..store.store import Store
from .replace_files import VerifiedCopy, is_intact
from .request import RepairRequest

MARGIN_BYTES = 16_000_000


class SnapshotSource:
    """Puts intact files of one snapshot into `staging`."""

    def __init__(self, store: Store, model: Model, staging: Path, request: RepairRequest) -> None:
        self._store = store
        self._model = model
        self._staging = staging
        self._fresh = staging / "fresh"
        self._request = request

    def copies_of(self, bad: list[FileEntry], downloaded: list[str]) -> list[VerifiedCopy]:
        """Verified copies of as many of these files as possible. Files that were downloaded are added to
        `downloaded`."""
        self._fresh.mkdir(mode=0o755)
        copies = {entry.path: self._cached(entry) for entry in bad}
        lacking = [entry for entry in bad if copies[entry.path] is None]
        if lacking:
            self._download(lacking)
            downloaded += [entry.path for entry in lacking]
        found = ((entry, copies[entry.path] or self._fresh / entry.path) for entry in bad)
        verified = [VerifiedCopy(entry, path) for entry, path in found if is_intact(path, entry)]
        for copy in verified:
            copy.path.chmod(copy.entry.mode)
        return verified

    def _cached(self, entry: FileEntry) -> Path | None:
        """A file with the same content in another snapshot of the model, or None."""
        for model in self._store.all_models():
            if model.repo != self._model.repo or model == self._model:
                continue
            try:
                _, entries = manifest.read_snapshot(self._store.snapshot_manifest(model))
            except MlenvError:
                continue
            for other in entries:
                path = self._store.snapshot(model) / other.path
                if other.sha256 == entry.sha256 and is_intact(path, entry):
                    return path
        return None

    def _download(self, lacking: list[FileEntry]) -> None:
        parts = {f"for {progress.pluralise(len(lacking), 'file')}": sum(entry.size for entry in lacking)}
        need = preflight.Need(f"the repair of {self._model}", parts | {"as a margin": MARGIN_BYTES})
        preflight.require(self._store.root, need)
        source = manifest.read_snapshot(self._store.snapshot_manifest(self._model))[0]["source"]
        endpoint = self._request.endpoint or source.get("endpoint")
        if self._request.archive:
            archive.extract(self._request.archive, self._fresh)
        elif endpoint:
            mirrors = Mirrors(endpoint, self._request.mirrors, self._request.token)
            files = [RemoteFile(entry.path, entry.size, entry.sha256, None) for entry in lacking]
            download(DownloadRequest(mirrors, self._model, files, self._fresh, self._staging / "parts"))
            failpoints.reach("repair.fetched")
        else:
            raise MlenvError(
                f"models/{self._model} was made from a directory: give its files as a tar on standard input "
                "(mlenv repair --archive -). Nothing was changed."
            )
