"""Intact copies of the files of an environment: packages from the wheel cache, or downloaded again if that is damaged
too; byte code from its cache, or compiled again."""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from ..core import failpoints, preflight, progress
from ..core.errors import MlenvError, NoSpaceError
from ..environments import bytecode, uv
from ..environments.distributions import package_name, read_record, remove_uv_notes
from ..environments.requirements import Requirement
from ..environments.requirements import parse as parse_lock
from ..store import manifest, metadata
from ..store.files import FileEntry, normalise
from ..store.store import Store
from .replace_files import VerifiedCopy, is_intact
from .request import RepairRequest

MARGIN_BYTES = 16_000_000


class EnvironmentSource:
    """Puts intact files of one environment into `staging`. `descriptor` holds the lock of the environment."""

    def __init__(self, store: Store, key: str, staging: Path, request: RepairRequest, descriptor: int) -> None:
        self._store = store
        self._key = key
        self._base = store.environment(key)
        self._staging = staging
        self._indexes = request.indexes
        self._given_lock = request.lock
        self._descriptor = descriptor
        self._listed: dict[str, FileEntry] = {}

    def copies_of(self, bad: list[FileEntry], downloaded: list[str]) -> list[VerifiedCopy]:
        """Verified copies of as many of these files as possible. Packages that were downloaded are added to
        `downloaded`, as `name==version`."""
        summary = manifest.read_environment(self._base)
        self._listed = {entry.path: entry for entry in manifest.read_environment_files(self._base, summary)}
        compiled = [entry for entry in bad if entry.path.endswith(".pyc")]
        plain = [entry for entry in bad if not entry.path.endswith(".pyc")]
        copies = self._packages(plain, summary, downloaded) if plain else {}
        failpoints.reach("repair.installed")
        for entry in compiled:
            if path := self._compiled(entry, copies):
                copies[entry.path] = VerifiedCopy(entry, path)
        return list(copies.values())

    def _packages(self, bad: list[FileEntry], summary: dict, downloaded: list[str]) -> dict[str, VerifiedCopy]:
        # What is intact in the wheel cache needs no network; the rest is downloaded into a separate cache.
        copies: dict[str, VerifiedCopy] = {}
        requirements = self._requirements(self._owners(bad, copies), summary)
        for item in requirements:
            copies |= self._cached(item, bad)
        lacking = self._owners([entry for entry in bad if entry.path not in copies], copies)
        to_download = [item for item in requirements if item.name in lacking]
        if to_download:
            self._require_space(to_download)
            uv.install(
                self._lock_file("remote", to_download),
                self._staging / "remote",
                cache=self._staging / "uv",
                indexes=self._indexes,
                keep_open=[self._descriptor],
                doing=f"downloading packages of environment {self._key} again",
            )
            copies = self._verified(self._staging / "remote", bad) | copies
            downloaded += [str(item) for item in to_download]
        return copies

    def _cached(self, item: Requirement, bad: list[FileEntry]) -> dict[str, VerifiedCopy]:
        prefix = self._staging / f"cached-{item.name}"
        try:
            uv.install(
                self._lock_file(prefix.name, [item]),
                prefix,
                cache=self._store.uv_cache,
                indexes=self._indexes,
                options=["--offline"],
                keep_open=[self._descriptor],
                doing=f"looking for {item} in the wheel cache",
                report=lambda _: None,
            )
        except NoSpaceError:
            raise
        except MlenvError:
            # The package is not in the cache, or damaged there too.
            return {}
        return self._verified(prefix, bad)

    def _verified(self, prefix: Path, bad: list[FileEntry]) -> dict[str, VerifiedCopy]:
        remove_uv_notes(prefix)
        normalise(prefix)
        return {
            entry.path: VerifiedCopy(entry, prefix / entry.path)
            for entry in bad
            if is_intact(prefix / entry.path, entry)
        }

    def _lock_file(self, name: str, requirements: list[Requirement]) -> Path:
        path = self._staging / f"{name}.txt"
        lines = (f"{item} {' '.join(f'--hash={digest}' for digest in item.hashes)}\n" for item in requirements)
        path.write_text("".join(lines), encoding="utf-8")
        return path

    def _owners(self, entries: Iterable[FileEntry], copies: Mapping[str, VerifiedCopy]) -> set[str]:
        """The packages that own these files, according to intact RECORDs in the environment or among the copies.

        A package with a damaged RECORD is included if one of the files lies beside it.
        """
        paths = {entry.path for entry in entries}
        names = {name for path in paths for part in path.split("/") if (name := package_name(part))}
        for path, entry in self._listed.items():
            if not path.endswith(".dist-info/RECORD"):
                continue
            record = copies[path].path if path in copies else self._base / path
            if is_intact(record, entry) and any(file.path in paths for file in read_record(record)):
                names.add(package_name(PurePosixPath(path).parent.name) or "")
        return names

    def _requirements(self, names: set[str], summary: dict) -> list[Requirement]:
        text = metadata.lock_of(self._base, summary, self._given_lock)
        if text is None:
            raise MlenvError(
                f"envs/{self._key} does not keep its lock file: give the one that it was made from on standard input "
                "(mlenv repair --lock -). Nothing was downloaded."
            )
        return [item for item in parse_lock(text).requirements if item.name in names]

    def _require_space(self, requirements: list[Requirement]) -> None:
        # Each package once as a wheel and once unpacked.
        size = 2 * sum(item.size or 0 for item in requirements)
        parts = {f"for {progress.pluralise(len(requirements), 'package')}": size, "as a margin": MARGIN_BYTES}
        unknown = tuple(str(item) for item in requirements if item.size is None)
        preflight.require(self._store.root, preflight.Need(f"the repair of envs/{self._key}", parts, unknown))

    def _compiled(self, entry: FileEntry, copies: dict[str, VerifiedCopy]) -> Path | None:
        """A byte code file from the cache if that has an intact one, else compiled again; None if both fail."""
        for kept in sorted(self._store.pyc_cache.glob(f"*/*/{entry.path}")):
            if is_intact(kept, entry):
                return kept
        name = importlib.util.source_from_cache(entry.path)
        source = copies[name].path if name in copies else self._base / name
        if name not in self._listed or not is_intact(source, self._listed[name]):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for content in bytecode.variants(source.read_bytes(), bytecode.seen_at(name)):
                if hashlib.sha256(content).hexdigest() == entry.sha256:
                    fresh = self._staging / "compiled" / entry.path
                    fresh.parent.mkdir(parents=True, exist_ok=True)
                    fresh.write_bytes(content)
                    fresh.chmod(entry.mode)
                    failpoints.reach("repair.compiled")
                    return fresh
        return None
