"""Writes that survive a power cut: a name appears only after the bytes behind it are on the disk."""

from __future__ import annotations

import ctypes
import os
import tempfile
from pathlib import Path


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file at once: a reader sees one whole text, also after a crash and when several write."""
    # Not told apart by process ids: every run is the first process of a container of its own.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    half = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def move_into_place(half: Path, final: Path) -> None:
    """Give a finished tree its final name, which must not exist, on the same file system.

    Its bytes must be on the disk already: one `sync_file_system` before, instead of tens of thousands of fsyncs.
    """
    half.rename(final)
    sync_directory(final.parent)


def keep_first(half: Path, final: Path) -> None:
    """Give a finished tree its final name, unless another run has put the same there meanwhile; then `half` stays."""
    try:
        half.rename(final)
    except OSError:
        if not final.is_dir():
            raise


def sync_file_system(path: Path) -> None:
    """Write everything that the file system of `path` still holds in memory. Raises OSError, for a lost write too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _LIBC.syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Write the files of a tree and their names to the disk.

    For few files; unlike `sync_file_system` it does not wait for what everybody else is writing to that disk.
    """
    for directory, _, names in os.walk(root):
        for name in names:
            descriptor = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(Path(directory))


def start_writing(descriptor: int, offset: int, length: int) -> None:
    """Have the kernel begin to write a range to the disk. It promises nothing, but a later sync is short."""
    _LIBC.sync_file_range(descriptor, ctypes.c_int64(offset), ctypes.c_int64(length), _SYNC_FILE_RANGE_WRITE)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_SYNC_FILE_RANGE_WRITE = 2

_LIBC = ctypes.CDLL(None, use_errno=True)
