"""Environments and model snapshots as one tar stream, for hosts without network.

The stream begins with `bundle.json` and `files.tsv` (sha256, size, mode, path below the store, one line per file,
sorted), followed by the files in that order. The sha256 of `files.tsv` names the bundle: the same content has the same
name and, byte for byte, the same stream.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..core import progress
from ..core.errors import MlenvError, UsageError
from ..core.model import Model
from ..store import manifest
from ..store.files import FileEntry
from ..store.layout import FORMAT as STORE_FORMAT
from ..store.store import Store
from ..store.verify import parse_target

FORMAT = 1
HEAD = "bundle.json"
FILES = "files.tsv"


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds. `entries` have paths relative to the root of a store."""

    environments: tuple[str, ...]
    models: tuple[Model, ...]
    entries: tuple[FileEntry, ...]

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.entries)

    @property
    def name(self) -> str:
        """The sha256 of files.tsv, 64 hex digits."""
        return hashlib.sha256(self.table()).hexdigest()

    def table(self) -> bytes:
        """The content of files.tsv."""
        return manifest.table(self.entries).encode()

    def head(self) -> bytes:
        """The content of bundle.json."""
        head = {
            "format": FORMAT,
            "storeFormat": STORE_FORMAT,
            "environments": list(self.environments),
            "models": [str(model) for model in self.models],
            "filesSha256": self.name,
        }
        return (json.dumps(head, indent=1) + "\n").encode()

    def describe(self) -> str:
        return (
            f"{progress.pluralise(len(self.environments), 'environment')}, "
            f"{progress.pluralise(len(self.models), 'model')}, "
            f"{progress.pluralise(len(self.entries), 'file')}, {progress.size(self.bytes)}"
        )


def of_store(store: Store, targets: Sequence[str]) -> Bundle:
    """The bundle of targets (`envs/KEY`, `models/ORG/NAME@COMMIT`), from their manifests. Raises MlenvError."""
    environments, models = parse_targets(targets)
    entries: list[FileEntry] = []
    for key in environments:
        entries += _environment(store, key)
    for model in models:
        entries += _snapshot(store, model)
    return Bundle(environments, models, tuple(sorted(entries, key=lambda entry: entry.path)))


def parse_targets(targets: Iterable[str]) -> tuple[tuple[str, ...], tuple[Model, ...]]:
    """The keys and the models of targets, each sorted and without duplicates. Raises UsageError."""
    parsed = {parse_target(target) for target in targets}
    models = [item for item in parsed if isinstance(item, Model)]
    keys = [item for item in parsed if not isinstance(item, Model)]
    return tuple(sorted(keys)), tuple(sorted(models, key=str))


def write(bundle: Bundle, store: Store, stream: BinaryIO) -> None:
    """Write the stream. Raises MlenvError if a file differs from its manifest; the stream is then incomplete."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name, content in ((HEAD, bundle.head()), (FILES, bundle.table())):
            archive.addfile(_member(name, len(content), 0o644), io.BytesIO(content))
        for entry in bundle.entries:
            with (store.root / entry.path).open("rb") as source:
                if os.fstat(source.fileno()).st_size != entry.size:
                    raise _damaged(entry)
                reader = _HashingReader(source)
                archive.addfile(_member(entry.path, entry.size, entry.mode), reader)
            if reader.digest.hexdigest() != entry.sha256:
                raise _damaged(entry)


def parse(head: bytes, table: bytes) -> Bundle:
    """Read the two documents at the beginning of a stream. Raises MlenvError if they are malformed or newer."""
    try:
        document = json.loads(head)
        newer = document["format"] > FORMAT or document["storeFormat"] > STORE_FORMAT
        if newer:
            raise MlenvError("the bundle is of a newer format: import it with the version of this project that made it")
        environments, models = parse_targets(
            [f"envs/{key}" for key in document["environments"]] + [f"models/{name}" for name in document["models"]]
        )
        entries = manifest.parse_table(table.decode())
    except (ValueError, KeyError, TypeError, UsageError) as error:
        raise MlenvError(f"this is not a bundle, or a damaged one ({type(error).__name__}: {error})") from error
    bundle = Bundle(environments, models, tuple(entries))
    if bundle.name != document.get("filesSha256"):
        raise MlenvError(f"the bundle was changed: its list of files has another hash than {HEAD} says")
    return bundle


class _HashingReader(io.RawIOBase):
    """Passes reads on and hashes them."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data


def _environment(store: Store, key: str) -> list[FileEntry]:
    base = store.environment(key)
    _require_present(base, f"envs/{key}")
    entries = manifest.read_environment_files(base, manifest.read_environment(base))
    metadata = sorted(path for path in (base / manifest.DIRECTORY).rglob("*") if path.is_file())
    return [entry._replace(path=f"envs/{key}/{entry.path}") for entry in entries] + [
        _entry_of(store, path) for path in metadata
    ]


def _snapshot(store: Store, model: Model) -> list[FileEntry]:
    snapshot = store.snapshot(model)
    _require_present(snapshot, f"models/{model}")
    _, entries = manifest.read_snapshot(store.snapshot_manifest(model))
    directory = snapshot.relative_to(store.root).as_posix()
    metadata = sorted(path for path in store.snapshot_metadata(model) if path.exists())
    return [entry._replace(path=f"{directory}/{entry.path}") for entry in entries] + [
        _entry_of(store, path) for path in metadata
    ]


def _entry_of(store: Store, path: Path) -> FileEntry:
    """The entry of a metadata file, which no manifest lists."""
    content = path.read_bytes()
    return FileEntry(path.relative_to(store.root).as_posix(), len(content), 0o644, hashlib.sha256(content).hexdigest())


def _require_present(path: Path, target: str) -> None:
    if not path.is_dir():
        raise MlenvError(f"{target} is not in the store ({path} does not exist); `mlenv list` shows what is")


def _member(path: str, size: int, mode: int) -> tarfile.TarInfo:
    """A member without time and user, so that the same content gives the same stream."""
    member = tarfile.TarInfo(path)
    member.size, member.mode = size, mode
    return member


def _damaged(entry: FileEntry) -> MlenvError:
    return MlenvError(
        f"{entry.path} differs from its manifest, so the stream is incomplete and cannot be imported. "
        "Repair it (mlenv verify --full names every such file) and export again."
    )
