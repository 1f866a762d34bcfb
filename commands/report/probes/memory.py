"""Prints the memory of the processes of this container in bytes, as JSON.

`rss` counts a page for every process that has it; `pss` divides a page by the number of processes of the whole host
that have it, so that the sum over containers counts it once. Runs inside a server's container, on standard input.
"""

import json
import os
from pathlib import Path

FIELDS = {"Rss": "rss", "Pss": "pss"}


def memory(process: Path) -> dict[str, int]:
    """The figures of one process; nothing for one that has ended, or whose figures this user may not read."""
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except OSError:
        return {}
    values = (line.split() for line in lines[1:])
    return {FIELDS[name.rstrip(":")]: int(size) * 1024 for name, size, *_ in values if name.rstrip(":") in FIELDS}


processes = [memory(path) for path in Path("/proc").glob("[0-9]*") if path.name != str(os.getpid())]
print(json.dumps({name: sum(process.get(name, 0) for process in processes) for name in FIELDS.values()}))
