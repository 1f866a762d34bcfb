"""Trees of regular files: listing, modes, hashes."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..core.disk import STAT_BLOCK_BYTES
from ..core.errors import MlenvError

FILE_MODES = (0o644, 0o755)
DIRECTORY_MODE = 0o755

Hashed = Callable[[int], None]
"""Called with the size of each file after hashing it, from several threads."""

_CHUNK = 1 << 18


class FileEntry(NamedTuple):
    """One file of a manifest. `path` is relative and POSIX, `sha256` hex, `mode` the permission bits."""

    path: str
    size: int
    mode: int
    sha256: str


@dataclass(frozen=True)
class Tree:
    """What lies below a directory: files as path -> (size, permission bits), directories as path -> permission bits.

    `special` are the paths that are neither: links, sockets and the like, which are not allowed in a store.
    """

    files: dict[str, tuple[int, int]]
    directories: dict[str, int]
    special: list[str]


def scan(root: Path, skip: frozenset[str] = frozenset()) -> Tree:
    """List a tree without following links; `skip` are names directly below the root."""
    files: dict[str, tuple[int, int]] = {}
    directories: dict[str, int] = {"": stat.S_IMODE(root.stat().st_mode)}
    special: list[str] = []
    pending = [("", str(root))]
    while pending:
        prefix, directory = pending.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                path = prefix + entry.name
                if not prefix and path in skip:
                    continue
                status = entry.stat(follow_symlinks=False)
                mode = status.st_mode
                if stat.S_ISREG(mode):
                    files[path] = (status.st_size, mode & 0o7777)
                elif stat.S_ISDIR(mode):
                    directories[path] = mode & 0o7777
                    pending.append((path + "/", entry.path))
                else:
                    special.append(path)
    return Tree(files, directories, special)


def normalise(root: Path, *, executables: bool = True) -> Tree:
    """Give every file mode 0644 (0755 if it may be executed) and every directory 0755; returns the resulting tree.

    A file with other hard links is copied first, since the wheel cache and other environments share its mode. Raises
    MlenvError if the tree holds anything but files and directories.
    """
    tree = scan(root)
    if tree.special:
        raise MlenvError(
            f"{root} holds links or special files, which a store never has: {', '.join(sorted(tree.special)[:5])}"
        )
    for path, mode in tree.directories.items():
        if mode != DIRECTORY_MODE:
            (root / path).chmod(DIRECTORY_MODE)
    files = {}
    for path, (size, mode) in tree.files.items():
        wanted = 0o755 if executables and mode & 0o100 else 0o644
        if mode != wanted:
            _set_mode(root / path, wanted)
        files[path] = (size, wanted)
    return Tree(files, dict.fromkeys(tree.directories, DIRECTORY_MODE), [])


def ignore(size: int) -> None:
    """A callback that does nothing."""


def hash_tree(
    root: Path, tree: Tree, hashed: Hashed = ignore, known: Mapping[str, str] | None = None
) -> list[FileEntry]:
    """The entries of a tree with their hashes, by path. Files with a `known` hash are not read. It uses all processors:
    hashlib releases the GIL."""
    digests = dict(known or {})
    paths = sorted(tree.files.keys() - digests.keys(), key=lambda path: -tree.files[path][0])
    # Interleaved, so that each worker gets a share of the few files that hold nearly all bytes.
    workers = os.cpu_count() or 2
    shares = [paths[start::workers] for start in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        for digests_of_share in pool.map(lambda share: _hash_share(root, share, hashed), shares):
            digests |= digests_of_share
    return [FileEntry(path, *tree.files[path], digests[path]) for path in sorted(tree.files)]


def sha256_of(path: Path) -> str:
    """The sha256 of one file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def disk_bytes(root: Path, counted: Container[str]) -> int:
    """Bytes of the blocks that a tree takes: its directories, its files with a single hard link, and the files
    `counted`, paths relative to the root.

    The blocks of other files were occupied before: a cache or another environment has them too.
    """
    blocks = 0
    for directory, _, names, descriptor in os.fwalk(root):
        prefix = os.path.relpath(directory, root) + "/"
        blocks += os.fstat(descriptor).st_blocks
        for name in names:
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if status.st_nlink == 1 or f"{prefix}{name}".removeprefix("./") in counted:
                blocks += status.st_blocks
    return blocks * STAT_BLOCK_BYTES


def _hash_share(root: Path, paths: Sequence[str], hashed: Hashed) -> dict[str, str]:
    base = f"{root}/"
    buffer = memoryview(bytearray(_CHUNK))
    digests = {}
    for path in paths:
        digest, size = hashlib.sha256(), 0
        descriptor = os.open(base + path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            while count := os.readv(descriptor, [buffer]):
                digest.update(buffer[:count])
                size += count
        finally:
            os.close(descriptor)
        digests[path] = digest.hexdigest()
        hashed(size)
    return digests


def _set_mode(path: Path, mode: int) -> None:
    if path.stat().st_nlink > 1:
        copy = path.with_name(f".{path.name}.alone")
        shutil.copyfile(path, copy)
        copy.replace(path)
    path.chmod(mode)
