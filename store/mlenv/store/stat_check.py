"""Whether a large tree is exactly as a table of files says, by names, sizes and modes, in a tenth of a second.

Reading the status of that many files takes most of the time, so it is shared out among processes. This says yes or no;
what differs is for the slower comparison to name.
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

ALONE = 4000
"""Up to this many files one process is quicker."""

# Of a line: what stands behind the hash and a tab.
_without_digest = itemgetter(slice(65, None))


def matches(base: Path, text: bytes) -> bool:
    """Compare the files below `base`, but for its papers, with the text of a files.tsv."""
    expected = set(map(_without_digest, text.decode().split("\n")))
    expected.discard("")
    directories = Counter(line[line.rindex("\t") + 1 : max(line.rfind("/"), 0)] for line in expected)
    directories.setdefault("", 0)
    for directory in list(directories):
        while (directory := directory.rpartition("/")[0]) not in directories:
            directories[directory] = 0
    workers = os.cpu_count() or 2 if len(expected) > ALONE else 1
    if workers == 1:
        return _count(base, directories, directories, expected) == len(expected)
    # The fullest first, dealt out in turn: one directory alone may hold thousands.
    ordered = [directory for directory, _ in directories.most_common()]
    shares = [ordered[start::workers] for start in range(workers)]
    return _shared_out(base, shares, directories, expected) == len(expected)


def _shared_out(base: Path, shares: list[list[str]], directories: Container[str], expected: set[str]) -> int:
    readers, children = [], []
    for share in shares[1:]:
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            # Nothing of the parent may run here: no handler, no flush of its output.
            try:
                os.write(writer, b"%d" % _count(base, share, directories, expected))
            finally:
                os._exit(0)
        os.close(writer)
        readers.append(reader)
        children.append(child)
    try:
        total = _count(base, shares[0], directories, expected)
        for reader in readers:
            total += int(os.read(reader, 32) or -len(expected))
    finally:
        for reader, child in zip(readers, children, strict=True):
            os.close(reader)
            os.waitpid(child, 0)
    return total


def _count(base: Path, share: Iterable[str], directories: Container[str], expected: set[str]) -> int:
    """How many files lie in these directories as expected; fewer than all by far if anything is not."""
    counted, amiss = 0, -len(expected)
    modes: dict[int, str] = {}
    for directory in share:
        try:
            descriptor = os.open(f"{base}/{directory}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return amiss
        prefix = f"{directory}/" if directory else ""
        try:
            if os.fstat(descriptor).st_mode & 0o7777 != DIRECTORY_MODE:
                return amiss
            # By descriptor, and not by path: the kernel then looks up one name for each file, not ten.
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    path = prefix + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if path not in directories and path != DIRECTORY:
                            return amiss
                        continue
                    status = entry.stat(follow_symlinks=False)
                    mode = modes.get(status.st_mode) or modes.setdefault(status.st_mode, _written(status.st_mode))
                    if f"{status.st_size}{mode}{path}" not in expected:
                        return amiss
                    counted += 1
        finally:
            os.close(descriptor)
    return counted


def _written(mode: int) -> str:
    """As it stands in a table of files, which has regular files only."""
    return f"\t{mode & 0o7777:04o}\t" if stat.S_ISREG(mode) else "not a file"
