"""Writes that survive a power cut: a name appears only after the bytes behind it are on the disk."""

from __future__ import annotations

import ctypes
import os
import tempfile
from pathlib import Path


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file atomically: a reader sees one complete text, even after a crash or when several processes
    write."""
    # A process id would not make the name unique: every run has pid 1 in its own container.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def move_into_place(partial: Path, final: Path) -> None:
    """Give a finished tree its final name, which must not exist, on the same file system.

    Its bytes must be on the disk already: call `sync_file_system` once before, instead of tens of thousands of fsyncs.
    """
    partial.rename(final)
    sync_directory(final.parent)


def move_unless_present(partial: Path, final: Path) -> None:
    """Give a finished tree its final name. If another run has put the same tree there meanwhile, leave both alone."""
    try:
        partial.rename(final)
    except OSError:
        if not final.is_dir():
            raise


def sync_file_system(path: Path) -> None:
    """Write everything that the file system of `path` still holds in memory. Raises OSError, also when a write was
    lost."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _LIBC.syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Write the files of a tree and their names to the disk.

    For few files. Unlike `sync_file_system`, it does not wait for what other processes write to that disk.
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
    """Ask the kernel to start writing a range to the disk. This guarantees nothing, but makes a later sync short."""
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
