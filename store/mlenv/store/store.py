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
from .manifest import snapshot_copy

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

PARTIAL_DOWNLOADS_KEPT_SECONDS = 24 * 3600
"""How long an interrupted model download is kept for resuming before any other run removes it."""


@dataclass(frozen=True)
class Store:
    """The paths and file locks of one store. `open` opens an existing one; `initialise` makes one."""

    root: Path

    @staticmethod
    def open(root: Path) -> Store:
        """The store at `root`. Raises MlenvError if there is none, or one of a newer format."""
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
    def gc_roots(self) -> Path:
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

    def snapshot_baseline(self, model: Model) -> Path:
        # The name is stable: it is on disk in existing stores.
        return self.manifests / model.folder / f"{model.revision}.proof.json"

    def snapshot_metadata(self, model: Model) -> list[Path]:
        """The metadata files of a snapshot, its manifest last."""
        manifest = self.snapshot_manifest(model)
        return [self.snapshot_baseline(model), snapshot_copy(manifest), manifest]

    def all_environments(self) -> list[str]:
        """The keys of all environments in the store, sorted."""
        return sorted(path.name for path in self.environments.iterdir() if path.is_dir() and not path.is_symlink())

    def all_models(self) -> list[Model]:
        """All models with a snapshot in the store, sorted by folder and commit."""
        snapshots = sorted(self.hub.glob("models--*/snapshots/*"))
        return [Model.from_folder(path.parent.parent.name, path.name) for path in snapshots]

    @contextmanager
    def object_lock(self, name: str, what: str) -> Iterator[tuple[Path, int]]:
        """Lock the store shared and one object exclusively; yields the object's staging directory and the descriptor of
        its lock.

        `name` names the lock and the staging directory, `what` the object in messages. First it removes what
        interrupted runs for other objects left in staging. What an earlier run for the same object left stays: the
        caller continues with it or removes it.
        """
        with file_lock.acquire(self._lock("store"), "the whole store (a prune)", shared=True):
            # If this waited for a purge, the store no longer exists.
            Store.open(self.root)
            with file_lock.acquire(self._lock(name), what) as descriptor:
                self._remove_orphans(own=name)
                yield self.staging / name, descriptor

    @contextmanager
    def shared_lock(self) -> Iterator[None]:
        """Lock the store shared, so that nothing is removed meanwhile. A read-only store needs no lock: nobody can
        remove anything."""
        with ExitStack() as stack:
            try:
                stack.enter_context(file_lock.acquire(self._lock("store"), "the whole store", shared=True))
            except OSError as error:
                if error.errno not in (errno.EROFS, errno.EACCES):
                    raise
            yield

    @contextmanager
    def exclusive_lock(self) -> Iterator[None]:
        """Lock the whole store: no other run populates, fetches or removes meanwhile.

        A uv process that outlived its killed parent still holds the lock of its environment, so this waits for it too.
        """
        (self.staging / "locks").mkdir(mode=0o755, parents=True, exist_ok=True)
        with file_lock.acquire(self._lock("store"), "the whole store"):
            for path in sorted((self.staging / "locks").glob("*.lock")):
                if path != self._lock("store"):
                    with file_lock.acquire(path, path.stem):
                        pass
            yield

    def orphans(self) -> list[Path]:
        """What interrupted runs left in staging, except downloads that can still be resumed. Requires the exclusive
        lock."""
        entries = sorted(self.staging.iterdir())
        return [entry for entry in entries if entry.name != "locks" and not _is_fresh_download(entry)]

    def own_entries(self) -> list[Path]:
        """The entries of the root directory that belong to the store."""
        names = {name.split("/")[0] for name in DIRECTORIES} | {FORMAT_FILE}
        return sorted(path for path in self.root.iterdir() if path.name in names)

    def partial_writes(self) -> list[Path]:
        """Files that a killed run had not finished writing (`durable.write_text`). Requires the exclusive lock."""
        patterns = ("refs/.*", "models/huggingface/manifests/*/.*", "models/huggingface/hub/*/refs/.*", ".store.json.*")
        return sorted(path for pattern in patterns for path in self.root.glob(pattern))

    def _lock(self, name: str) -> Path:
        return self.staging / "locks" / f"{name}.lock"

    def _remove_orphans(self, own: str) -> None:
        for entry in sorted(self.staging.iterdir()):
            if entry.name in ("locks", own):
                continue
            with file_lock.try_acquire(self._lock(entry.name)) as acquired:
                if acquired and not _is_fresh_download(entry):
                    remove_tree(entry)
                    progress.info(f"removed what an interrupted run left: staging/{entry.name}")


def remove_tree(path: Path) -> None:
    """Remove a file, a link, or a directory with everything below it, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_fresh_download(entry: Path) -> bool:
    if not entry.name.startswith("model-"):
        return False
    newest = max((path.lstat().st_mtime for path in entry.rglob("*")), default=0.0)
    return time.time() - newest < PARTIAL_DOWNLOADS_KEPT_SECONDS
