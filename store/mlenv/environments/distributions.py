"""Installed distributions below a prefix, and the files that each of them recorded."""

from __future__ import annotations

import base64
import csv
import math
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import DamagedPackagesError, MlenvError
from .interpreter import SITE_PACKAGES
from .requirements import canonical

BLOCK_BYTES = 4096
"""The block size of the disk for which `disk_size` counts."""

_LOCAL_WHEEL_NOTE = "uv_cache.json"
"""A file that uv adds to a package from a wheelhouse, but not to one from an index."""

_DIST_INFO = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.dist-info")


@dataclass(frozen=True)
class RecordedFile:
    """One line of a RECORD. `path` is relative to the prefix; `sha256` is hex, None if the wheel gives no hash."""

    path: str
    sha256: str | None


@dataclass(frozen=True)
class Distribution:
    """One installed package; `name` is canonical, `dist_info` the directory's path relative to the prefix."""

    name: str
    version: str
    dist_info: str
    files: tuple[RecordedFile, ...]

    @property
    def record(self) -> str:
        return f"{self.dist_info}/RECORD"


def installed(prefix: Path) -> Iterator[Distribution]:
    """The distributions below a prefix, by name. Raises DamagedPackagesError for a damaged RECORD."""
    for directory in sorted((prefix / SITE_PACKAGES).glob("*.dist-info")):
        match = _DIST_INFO.fullmatch(directory.name)
        if not match:
            raise MlenvError(f"{directory} is not named <name>-<version>.dist-info")
        name, dist_info = canonical(match["name"]), f"{SITE_PACKAGES}/{directory.name}"
        distribution = Distribution(name, match["version"], dist_info, tuple(read_record(directory / "RECORD")))
        # Every RECORD lists itself. One that does not was damaged in the wheel cache, for example by a power cut.
        if not any(file.path == distribution.record for file in distribution.files):
            raise DamagedPackagesError(f"the RECORD of {name} is damaged", frozenset({name}))
        yield distribution


def disk_size(prefix: Path, distribution: Distribution) -> int:
    """Bytes that the files of a distribution occupy on a disk with blocks of 4 KiB.

    Whole blocks are closer to the real need than the sum of lengths. They also do not depend on the length of the
    interpreter's path in launchers, so every machine writes the same lock file, with an index and with a wheelhouse.
    """
    paths = (prefix / file.path for file in distribution.files if not file.path.endswith(f"/{_LOCAL_WHEEL_NOTE}"))
    return sum(math.ceil(path.stat().st_size / BLOCK_BYTES) * BLOCK_BYTES for path in paths)


def remove_uv_notes(prefix: Path) -> None:
    """Remove the files that uv adds to packages from a wheelhouse, and their lines in RECORD. They contain time stamps;
    without them, a wheel gives the same files from an index and from a wheelhouse."""
    for note in (prefix / SITE_PACKAGES).glob(f"*.dist-info/{_LOCAL_WHEEL_NOTE}"):
        record = note.with_name("RECORD")
        lines = record.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(f"{note.parent.name}/{_LOCAL_WHEEL_NOTE},".encode())]
        # A new file, never in place: the old one has hard links in the cache.
        fresh = record.with_name("RECORD.stripped")
        fresh.write_bytes(b"".join(kept))
        fresh.replace(record)
        note.unlink()


def package_name(dist_info: str) -> str | None:
    """The canonical package name in the name of a dist-info directory, or None for any other directory."""
    match = _DIST_INFO.fullmatch(dist_info)
    return canonical(match["name"]) if match else None


def read_record(record: Path) -> Iterator[RecordedFile]:
    """The files that a RECORD lists. Raises MlenvError for a path outside the prefix."""
    with record.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            path = posixpath.normpath(posixpath.join(SITE_PACKAGES, row[0]))
            if path.startswith(("/", "../")):
                raise MlenvError(f"{record} names {row[0]!r}, which lies outside the environment")
            yield RecordedFile(path, _hex(row[1]))


def _hex(recorded: str) -> str | None:
    algorithm, _, digest = recorded.partition("=")
    if algorithm != "sha256":
        return None
    return base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex()
