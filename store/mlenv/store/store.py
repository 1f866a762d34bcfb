"""The store: one directory on the Docker host with environments, model snapshots and caches."""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..core import file_lock, progress
from ..core.errors import MlenvError, UsageError
from ..core.model import Model
from .layout import DIRECTORIES, FORMAT_FILE, recorded_format

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

PARTIAL_DOWNLOADS_KEPT_SECONDS = 24 * 3600
"""How long an interrupted model download waits to be continued before any other run removes it."""


@dataclass(frozen=True)
class Store:
    """Paths of one store, and its locks. `open` it; `initialise` makes it."""

    root: Path

    @staticmethod
    def open(root: Path) -> Store:
        """A store that exists and whose format this tool knows."""
        recorded = recorded_format(root)
        if recorded is None:
            raise MlenvError(f"{root} is not a store: {FORMAT_FILE} is missing. Make one: mlenv init --store {root}")
        return Store(root)

    @property
    def uv_cache(self) -> Path:
        return self.root / "cache/uv"

    @property
    def pyc_cache(self) -> Path:
        return self.root / "cache/pyc"

    @property
    def environments(self) -> Path:
        return self.root / "envs"

    @property
    def hub(self) -> Path:
        return self.root / "models/huggingface/hub"

    @property
    def manifests(self) -> Path:
        return self.root / "models/huggingface/manifests"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def references(self) -> Path:
        return self.root / "refs"

    @property
    def data(self) -> Path:
        return self.root / "data"

    def environment(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise UsageError(f"environment key {key!r}: expected 1 to 128 letters, digits, '.', '_' and '-'")
        return self.environments / key

    def snapshot(self, model: Model) -> Path:
        return self.hub / model.folder / "snapshots" / model.revision

    def main_ref(self, model: Model) -> Path:
        return self.hub / model.folder / "refs/main"

    def snapshot_manifest(self, model: Model) -> Path:
        return self.manifests / model.folder / f"{model.revision}.json"

    def snapshot_proof(self, model: Model) -> Path:
        return self.manifests / model.folder / f"{model.revision}.proof.json"

    def snapshot_papers(self, model: Model) -> list[Path]:
        """All that is written about a snapshot, its manifest last."""
        manifest = self.snapshot_manifest(model)
        return [self.snapshot_proof(model), manifest.with_suffix(".copy.json"), manifest]

    def all_environments(self) -> list[str]:
        """The keys of the environments that are there, sorted."""
        return sorted(path.name for path in self.environments.iterdir() if path.is_dir() and not path.is_symlink())

    def all_models(self) -> list[Model]:
        """The models whose snapshots are there, sorted."""
        snapshots = sorted(self.hub.glob("models--*/snapshots/*"))
        return [Model.at(path.parent.parent.name, path.name) for path in snapshots]

    @contextmanager
    def working(self, name: str, what: str) -> Iterator[tuple[Path, int]]:
        """Hold the store shared and one object alone; yields the object's staging directory and its lock's descriptor.

        What interrupted runs left in staging is removed first. The directory may still hold what an earlier run of the
        same object left: that is for the caller to continue or to clear.
        """
        with file_lock.hold(self._lock("store"), "the whole store (a prune)", shared=True):
            # A purge may have been what was waited for; its lock went with the store.
            Store.open(self.root)
            with file_lock.hold(self._lock(name), what) as descriptor:
                self._remove_orphans(own=name)
                yield self.staging / name, descriptor

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the store shared, so that nothing is removed meanwhile; where nobody can write, nobody removes."""
        with ExitStack() as stack:
            try:
                stack.enter_context(file_lock.hold(self._lock("store"), "the whole store", shared=True))
            except OSError as error:
                if error.errno not in (errno.EROFS, errno.EACCES):
                    raise
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the whole store: nobody populates, fetches or removes meanwhile.

        A uv that outlived its killed parent holds its environment's lock, and nothing else: it is waited for too.
        """
        (self.staging / "locks").mkdir(mode=0o755, parents=True, exist_ok=True)
        with file_lock.hold(self._lock("store"), "the whole store"):
            for path in sorted((self.staging / "locks").glob("*.lock")):
                if path != self._lock("store"):
                    with file_lock.hold(path, path.stem):
                        pass
            yield

    def orphans(self) -> list[Path]:
        """What interrupted runs left in staging, without the downloads that may still be continued. Hold the store
        alone."""
        entries = sorted(self.staging.iterdir())
        return [entry for entry in entries if entry.name != "locks" and not _is_fresh_download(entry)]

    def own(self) -> list[Path]:
        """What lies in the store's directory and belongs to it."""
        names = {name.split("/")[0] for name in DIRECTORIES} | {FORMAT_FILE}
        return sorted(path for path in self.root.iterdir() if path.name in names)

    def halves(self) -> list[Path]:
        """Texts that a killed run had not finished (`durable.write_text`). Hold the store alone."""
        patterns = ("refs/.*", "models/huggingface/manifests/*/.*", "models/huggingface/hub/*/refs/.*", ".store.json.*")
        return sorted(path for pattern in patterns for path in self.root.glob(pattern))

    def _lock(self, name: str) -> Path:
        return self.staging / "locks" / f"{name}.lock"

    def _remove_orphans(self, own: str) -> None:
        for entry in sorted(self.staging.iterdir()):
            if entry.name in ("locks", own):
                continue
            with file_lock.attempt(self._lock(entry.name)) as alone:
                if alone and not _is_fresh_download(entry):
                    remove_tree(entry)
                    progress.say(f"removed what an interrupted run left: staging/{entry.name}")


def remove_tree(path: Path) -> None:
    """Remove a directory or file and all below it; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_fresh_download(entry: Path) -> bool:
    if not entry.name.startswith("model-"):
        return False
    newest = max((path.lstat().st_mtime for path in entry.rglob("*")), default=0.0)
    return time.time() - newest < PARTIAL_DOWNLOADS_KEPT_SECONDS
