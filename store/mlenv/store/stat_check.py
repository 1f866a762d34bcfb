"""Checks names, sizes and modes of a large tree against a table of files, in a tenth of a second.

Nearly all the time goes into stat calls, so forked processes share them: threads would wait for the GIL. The answer is
yes or no; the slower comparison in verify.py names the differences.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Container, Iterable
from operator import itemgetter
from pathlib import Path

from .files import DIRECTORY_MODE
from .manifest import DIRECTORY

SINGLE_PROCESS_FILES = 4000
"""Up to this many files one process is faster than several."""

# The part of a line after the hash and a tab.
_without_digest = itemgetter(slice(65, None))


def matches(base: Path, text: bytes) -> bool:
    """Compare the files below `base`, except its metadata, with the text of a files.tsv."""
    expected = set(map(_without_digest, text.decode().split("\n")))
    expected.discard("")
    directories = Counter(line[line.rindex("\t") + 1 : max(line.rfind("/"), 0)] for line in expected)
    directories.setdefault("", 0)
    for directory in list(directories):
        while (directory := directory.rpartition("/")[0]) not in directories:
            directories[directory] = 0
    workers = os.cpu_count() or 2 if len(expected) > SINGLE_PROCESS_FILES else 1
    if workers == 1:
        return _count(base, directories, directories, expected) == len(expected)
    # Largest directories first, dealt out in turn: a single directory may hold thousands of files.
    ordered = [directory for directory, _ in directories.most_common()]
    shares = [ordered[start::workers] for start in range(workers)]
    return _count_in_processes(base, shares, directories, expected) == len(expected)


def _count_in_processes(base: Path, shares: list[list[str]], known: Container[str], expected: set[str]) -> int:
    """The sum of `_count` over all shares, each counted in its own process."""
    children = [_Child(base, share, known, expected) for share in shares[1:]]
    try:
        return _count(base, shares[0], known, expected) + sum(child.count() for child in children)
    finally:
        for child in children:
            child.wait()


class _Child:
    """A forked process that counts one share. A fork needs no copy of `expected`, which a pool of workers would."""

    def __init__(self, base: Path, share: list[str], known: Container[str], expected: set[str]) -> None:
        self._mismatch = -len(expected)
        self._reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            # The child must not run any handler of its parent, nor flush its output.
            try:
                os.write(writer, b"%d" % _count(base, share, known, expected))
            finally:
                os._exit(0)
        os.close(writer)

    def count(self) -> int:
        """Its result; a child that died counts as a mismatch."""
        return int(os.read(self._reader, 32) or self._mismatch)

    def wait(self) -> None:
        os.close(self._reader)
        os.waitpid(self._pid, 0)


def _count(base: Path, share: Iterable[str], known: Container[str], expected: set[str]) -> int:
    """The number of files in these directories, if all are as expected; otherwise so negative that no total can
    match."""
    counted, mismatch = 0, -len(expected)
    modes: dict[int, str] = {}
    for directory in share:
        try:
            descriptor = os.open(f"{base}/{directory}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return mismatch
        prefix = f"{directory}/" if directory else ""
        try:
            if os.fstat(descriptor).st_mode & 0o7777 != DIRECTORY_MODE:
                return mismatch
            # By descriptor, not by path: the kernel then looks up one name per file instead of ten.
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    path = prefix + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if path not in known and path != DIRECTORY:
                            return mismatch
                        continue
                    status = entry.stat(follow_symlinks=False)
                    mode = modes.get(status.st_mode) or modes.setdefault(status.st_mode, _mode_column(status.st_mode))
                    if f"{status.st_size}{mode}{path}" not in expected:
                        return mismatch
                    counted += 1
        finally:
            os.close(descriptor)
    return counted


def _mode_column(mode: int) -> str:
    """A file's mode as a table of files writes it; the table has regular files only."""
    return f"\t{mode & 0o7777:04o}\t" if stat.S_ISREG(mode) else "not a file"
