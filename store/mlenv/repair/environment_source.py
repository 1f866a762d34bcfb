"""Good copies of the files of an environment: packages from the wheel cache where that is intact, else brought again;
byte code compiled from its source."""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from ..core import failpoints, preflight, progress
from ..core.errors import MlenvError, NoSpaceError
from ..environments import bytecode, uv
from ..environments.distributions import name_of, read_record, strip_notes
from ..environments.requirements import Requirement
from ..environments.requirements import parse as parse_lock
from ..store import manifest, metadata
from ..store.files import FileEntry, normalise
from ..store.store import Store
from .replace_files import Good, proven

MARGIN_BYTES = 16_000_000


class Rebuild:
    """Brings files of one environment into `staging`. Its lock is held by `descriptor`."""

    def __init__(
        self, store: Store, key: str, staging: Path, indexes: uv.Indexes, lock: str | None, descriptor: int
    ) -> None:
        self._store = store
        self._key = key
        self._base = store.environment(key)
        self._staging = staging
        self._indexes = indexes
        self._lock = lock
        self._descriptor = descriptor
        self._listed: dict[str, FileEntry] = {}

    def bring(self, bad: list[FileEntry], brought: list[str]) -> list[Good]:
        """As many of these files as can be made again, each proven; `brought` hears the names of packages that had to
        come from afar."""
        summary = manifest.read_environment(self._base)
        self._listed = {entry.path: entry for entry in manifest.read_environment_files(self._base, summary)}
        compiled = [entry for entry in bad if entry.path.endswith(".pyc")]
        plain = [entry for entry in bad if not entry.path.endswith(".pyc")]
        goods = self._packages(plain, summary, brought) if plain else {}
        failpoints.reach("repair.installed")
        for entry in compiled:
            if path := self._compiled(entry, goods):
                goods[entry.path] = Good(entry, path)
        return list(goods.values())

    def _packages(self, bad: list[FileEntry], summary: dict, brought: list[str]) -> dict[str, Good]:
        # What the wheel cache still holds whole needs no network; the rest comes into a cache of its own.
        goods: dict[str, Good] = {}
        requirements = self._requirements(self._owners(bad, goods), summary)
        for item in requirements:
            goods |= self._near(item, bad)
        lacking = self._owners([entry for entry in bad if entry.path not in goods], goods)
        again = [item for item in requirements if item.name in lacking]
        if again:
            self._require_space(again)
            uv.install(
                self._lock_file("far", again),
                self._staging / "far",
                cache=self._staging / "uv",
                indexes=self._indexes,
                keep_open=[self._descriptor],
                doing=f"bringing packages of environment {self._key} again",
            )
            goods = self._proven(self._staging / "far", bad) | goods
            brought += [str(item) for item in again]
        return goods

    def _near(self, item: Requirement, bad: list[FileEntry]) -> dict[str, Good]:
        prefix = self._staging / f"near-{item.name}"
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
            # It is not there, or damaged too.
            return {}
        return self._proven(prefix, bad)

    def _proven(self, prefix: Path, bad: list[FileEntry]) -> dict[str, Good]:
        strip_notes(prefix)
        normalise(prefix)
        return {entry.path: Good(entry, prefix / entry.path) for entry in bad if proven(prefix / entry.path, entry)}

    def _lock_file(self, name: str, requirements: list[Requirement]) -> Path:
        path = self._staging / f"{name}.txt"
        lines = (f"{item} {' '.join(f'--hash={digest}' for digest in item.hashes)}\n" for item in requirements)
        path.write_text("".join(lines), encoding="utf-8")
        return path

    def _owners(self, entries: Iterable[FileEntry], goods: Mapping[str, Good]) -> set[str]:
        """The packages that these files belong to, by the lists of files that are intact, here or as good copies.

        A package whose list is damaged is among them: with a file that lies beside its list.
        """
        paths = {entry.path for entry in entries}
        names = {name for path in paths for part in path.split("/") if (name := name_of(part))}
        for path, entry in self._listed.items():
            if not path.endswith(".dist-info/RECORD"):
                continue
            record = goods[path].path if path in goods else self._base / path
            if proven(record, entry) and any(file.path in paths for file in read_record(record)):
                names.add(name_of(PurePosixPath(path).parent.name) or "")
        return names

    def _requirements(self, names: set[str], summary: dict) -> list[Requirement]:
        text = metadata.lock_of(self._base, summary, self._lock)
        if text is None:
            raise MlenvError(
                f"envs/{self._key} does not keep its lock: give the one that it was made from on standard input "
                "(mlenv repair --lock -). Nothing was brought again."
            )
        return [item for item in parse_lock(text).requirements if item.name in names]

    def _require_space(self, requirements: list[Requirement]) -> None:
        # Once in the wheel's archive, once unpacked.
        size = 2 * sum(item.size or 0 for item in requirements)
        parts = {f"for {progress.number(len(requirements), 'package')}": size, "as a margin": MARGIN_BYTES}
        unknown = tuple(str(item) for item in requirements if item.size is None)
        preflight.require(self._store.root, preflight.Need(f"the repair of envs/{self._key}", parts, unknown))

    def _compiled(self, entry: FileEntry, goods: dict[str, Good]) -> Path | None:
        """Byte code from the cache, where that has an intact file of its own, or made again from its source."""
        for kept in sorted(self._store.pyc_cache.glob(f"*/*/{entry.path}")):
            if proven(kept, entry):
                return kept
        name = importlib.util.source_from_cache(entry.path)
        source = goods[name].path if name in goods else self._base / name
        if name not in self._listed or not proven(source, self._listed[name]):
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
