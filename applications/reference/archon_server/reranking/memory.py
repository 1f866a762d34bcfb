"""How much memory loaded models may take."""

from pathlib import Path

WITHOUT_MODELS_BYTES = 800 * 1024 * 1024
"""What the server takes beside weights: the imported environment, and the batch that is being scored."""

_SHARE = 0.9


def container_limit(cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that this process may use: the container's limit (cgroup v2, then v1), or all of the machine's memory."""
    limits = [_number(cgroup / "memory.max"), _number(cgroup / "memory" / "memory.limit_in_bytes"), _total(meminfo)]
    return min((limit for limit in limits if limit is not None), default=0)


def default_budget(limit: int) -> int:
    """Bytes for the weights of loaded models in a container of `limit` bytes."""
    return max(0, int(limit * _SHARE) - WITHOUT_MODELS_BYTES)


def shown(size: int) -> str:
    """Bytes for people: "1.2 GB"."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def _number(path: Path) -> int | None:
    """None if there is no such file or no limit in it: "max", or in v1 a number beyond any machine."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _total(meminfo: Path) -> int | None:
    try:
        [line] = [line for line in meminfo.read_text().splitlines() if line.startswith("MemTotal:")]
        return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
