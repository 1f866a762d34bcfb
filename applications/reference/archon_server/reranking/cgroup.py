"""What the container may use of this machine, by its control group."""

from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def container_limit(cgroup: Path = CGROUP, meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that this process may use: the container's limit (cgroup v2, then v1), or all of the machine's memory."""
    limits = [_number(cgroup / "memory.max"), _number(cgroup / "memory" / "memory.limit_in_bytes"), _total(meminfo)]
    return min((limit for limit in limits if limit is not None), default=0)


def cpu_quota(cgroup: Path = CGROUP) -> float | None:
    """The container's processors by its time quota (cgroup v2, then v1), None without one."""
    try:
        if (v2 := cgroup / "cpu.max").exists():
            quota, period = v2.read_text().split()
        else:
            quota, period = (
                (cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period")
            )
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError):
        return None


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
