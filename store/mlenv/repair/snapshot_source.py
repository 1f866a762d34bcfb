"""Good copies of the files of a snapshot: from another snapshot of the model, from the hub, or from an archive."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from ..core import failpoints, preflight, progress
from ..core.errors import MlenvError
from ..core.model import Model
from ..hub.download import Bring, bring
from ..hub.hub import RemoteFile
from ..hub.mirrors import Sources
from ..models import archive
from ..store import manifest
from ..store.files import FileEntry
from ..store.store import Store
from .replace_files import Good, proven

MARGIN_BYTES = 16_000_000


class Refetch:
    """Brings files of one snapshot into `staging`."""

    def __init__(
        self,
        store: Store,
        model: Model,
        staging: Path,
        endpoint: str | None,
        mirrors: tuple[str, ...],
        token: str | None,
        stream: BinaryIO | None,
    ) -> None:
        self._store = store
        self._model = model
        self._staging = staging
        self._fresh = staging / "fresh"
        self._endpoint = endpoint
        self._mirrors = mirrors
        self._token = token
        self._stream = stream

    def bring(self, bad: list[FileEntry], brought: list[str]) -> list[Good]:
        """As many of these files as there are, each proven; `brought` hears of those that had to come from afar."""
        self._fresh.mkdir(mode=0o755)
        goods = {entry.path: self._near(entry) for entry in bad}
        lacking = [entry for entry in bad if goods[entry.path] is None]
        if lacking:
            self._far(lacking)
            brought += [entry.path for entry in lacking]
        found = ((entry, goods[entry.path] or self._fresh / entry.path) for entry in bad)
        return [Good(entry, path) for entry, path in found if self._ready(entry, path)]

    def _ready(self, entry: FileEntry, path: Path) -> bool:
        if not proven(path, entry):
            return False
        path.chmod(entry.mode)
        return True

    def _near(self, entry: FileEntry) -> Path | None:
        """The same content in another snapshot of the model."""
        for model in self._store.all_models():
            if model.repo != self._model.repo or model == self._model:
                continue
            try:
                _, entries = manifest.read_snapshot(self._store.snapshot_manifest(model))
            except MlenvError:
                continue
            for other in entries:
                path = self._store.snapshot(model) / other.path
                if other.sha256 == entry.sha256 and proven(path, entry):
                    return path
        return None

    def _far(self, lacking: list[FileEntry]) -> None:
        parts = {f"for {progress.number(len(lacking), 'file')}": sum(entry.size for entry in lacking)}
        need = preflight.Need(f"the repair of {self._model}", parts | {"as a margin": MARGIN_BYTES})
        preflight.require(self._store.root, need)
        source = manifest.read_snapshot(self._store.snapshot_manifest(self._model))[0]["source"]
        endpoint = self._endpoint or source.get("endpoint")
        if self._stream:
            archive.extract(self._stream, self._fresh)
        elif endpoint:
            sources = Sources(endpoint, self._mirrors, self._token)
            files = [RemoteFile(entry.path, entry.size, entry.sha256, None) for entry in lacking]
            bring(Bring(sources, self._model, files, self._fresh, self._staging / "parts"))
            failpoints.reach("repair.fetched")
        else:
            raise MlenvError(
                f"models/{self._model} was made from a directory: give its files as a tar on standard input "
                "(mlenv repair --archive -). Nothing was changed."
            )
