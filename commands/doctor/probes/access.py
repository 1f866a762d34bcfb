"""Prints what this user cannot read or write, as JSON. Changes nothing.

Runs as the user of a server, with the mounts of a server below /read and /write. What denies access may be the mode of
a file, its owner, or a policy such as SELinux's.
"""

import json
import os
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

SHOWN = 5


def denied(path: Path, mode: int) -> Iterator[str]:
    """The files and directories from a path on that `mode` is denied for. A directory must also be searchable."""
    is_directory = path.is_dir()
    if not os.access(path, mode | os.X_OK if is_directory else mode):
        yield str(path)
    elif is_directory:
        for entry in path.iterdir():
            if not entry.is_symlink():
                yield from denied(entry, mode)


def first(root: Path, mode: int) -> list[str]:
    """The first of them below the mounts in a directory."""
    mounts = sorted(root.iterdir()) if root.is_dir() else []
    return list(islice(chain.from_iterable(denied(mount, mode) for mount in mounts), SHOWN))


print(json.dumps({"read": first(Path("/read"), os.R_OK), "write": first(Path("/write"), os.R_OK | os.W_OK)}))
