"""What this machine offers a model: processors, and instructions for arithmetic of 16 and 8 bits."""

import os
from pathlib import Path

from .cgroup import CGROUP, cpu_quota

_FAST_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
"""Flags of processors that multiply bfloat16 directly (the last is ARM's)."""


_EXACT_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}
"""Flags of processors that add products of 8 bits in 32 bits; on others the sum overflows 16 bits."""


def available_cpus(cgroup: Path = CGROUP) -> int:
    """Processors that this process may use, by affinity and by the container's quota; at least 1."""
    cpus = len(os.sched_getaffinity(0))
    quota = cpu_quota(cgroup)
    return max(1, min(cpus, int(quota))) if quota else cpus


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Instruction set flags of the first processor, as Linux names them; empty if unknown."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def multiplies_int8(flags: frozenset[str]) -> bool:
    return bool(flags & _EXACT_INT8)


def choose_dtype(stored: str, device: str, flags: frozenset[str]) -> str:
    """The dtype ("float32", "bfloat16", "float16") to load weights in that are stored as `stored`.

    A GPU takes them as they are. On a CPU, 32 bits stay 32, and 16 bits become bfloat16 if the processor multiplies it
    directly. If it does not, float32 costs twice the memory and is many times faster.
    """
    if device != "cpu" or stored == "float32":
        return stored
    return "bfloat16" if flags & _FAST_BFLOAT16 else "float32"
