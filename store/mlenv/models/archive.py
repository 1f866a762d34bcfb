"""A model from a directory: its files come as a tar on standard input, and its revision is the hash of its files."""

from __future__ import annotations

import hashlib
import posixpath
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from ..core import failpoints, preflight, progress
from ..core.errors import MlenvError
from ..store.files import FileEntry

MARGIN_BYTES = 16_000_000


def revision(entries: Iterable[FileEntry]) -> str:
    """The revision of a directory: 40 hex digits, which sha256sum and sort can compute too.

    They are the first 40 of the sha256 over one line `<sha256 of file>  <relative path>\\n` for each file, sorted by
    the bytes of the path.
    """
    ordered = sorted(entries, key=lambda entry: entry.path.encode())
    text = "".join(f"{entry.sha256}  {entry.path}\n" for entry in ordered)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def is_left_out(path: str) -> bool:
    """Whether a path does not belong to the model: a name that begins with a dot, or __pycache__, at any depth."""
    return any(part == "__pycache__" or (part.startswith(".") and part not in (".", "..")) for part in path.split("/"))


def extract(archive: BinaryIO, target: Path) -> None:
    """Unpack the regular files of a tar below `target`, with the modes of the store.

    This does not use tarfile's own extraction, since the Python of the base image (3.11.2) has no extraction filters
    yet. Raises MlenvError for links, devices and paths that lead outside, and for an archive that ends early.
    """
    has_files = False
    try:
        with tarfile.open(fileobj=archive, mode="r|*") as members:
            for member in members:
                path = posixpath.normpath(member.name)
                if member.isdir() or is_left_out(path):
                    continue
                _check(member, path)
                _write(members, member, target / path)
                has_files = True
                failpoints.reach("fetch.extracting")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise MlenvError(
            f"the archive on standard input is damaged or ended early: {error or type(error).__name__}"
        ) from error
    if not has_files:
        raise MlenvError("the archive on standard input holds no file of a model")


def _check(member: tarfile.TarInfo, path: str) -> None:
    if path.startswith(("/", "../")) or path == "..":
        raise MlenvError(f"the archive names {member.name!r}, which lies outside the model; refused")
    if not member.isreg():
        raise MlenvError(
            f"the archive holds {member.name!r}, a link or special file; pack what it points to instead "
            "(tar --dereference --hard-dereference)"
        )


def _write(members: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    parts = {"for that file": member.size, "as a margin": MARGIN_BYTES}
    if member.size > MARGIN_BYTES:
        preflight.require(target.parent, preflight.Need(member.name, parts))
    source = members.extractfile(member)
    if source is None:
        raise MlenvError(f"the archive holds no content for {member.name!r}")
    with source, target.open("xb") as stream:
        shutil.copyfileobj(source, stream, 1 << 20)
    if target.stat().st_size != member.size:
        raise MlenvError(f"the archive ended in the middle of {member.name!r}")
    progress.info(f"{member.name}: {progress.size(member.size)}")
