"""Prints what directories of a store take on the disk, each and all together, as JSON. Changes nothing.

Runs in the bootstrap image with the store at /store, read-only. The arguments are the directories, relative to it. A
file with several hard links counts once in each directory, and once in all of them together.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

STORE = Path("/store")
BLOCK_BYTES = 512


def blocks(path: Path) -> Iterator[tuple[tuple[int, int], int]]:
    """Every file and directory from a path on: device and number, and the bytes of its blocks."""
    status = path.lstat()
    yield (status.st_dev, status.st_ino), status.st_blocks * BLOCK_BYTES
    if path.is_dir() and not path.is_symlink():
        for entry in path.iterdir():
            yield from blocks(entry)


def seconds(tree: Path) -> float | None:
    """How long it took to make an environment, as its manifest says."""
    manifest = tree / ".mlenv" / "manifest.json"
    return sum(json.loads(manifest.read_text())["seconds"].values()) if manifest.is_file() else None


trees = [name for name in sys.argv[1:] if (STORE / name).is_dir()]
files = {name: dict(blocks(STORE / name)) for name in trees}
together: dict[tuple[int, int], int] = {}
for found in files.values():
    together.update(found)
print(
    json.dumps(
        {
            "trees": [
                {"name": name, "bytes": sum(files[name].values()), "seconds": seconds(STORE / name)} for name in trees
            ],
            "together": sum(together.values()),
        }
    )
)
