import os
from pathlib import Path

import pytest

from archon_server.reranking.hardware import available_cpus, choose_dtype, cpu_flags, multiplies_int8

HERE = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [("max 100000", HERE), ("100000 100000", 1), ("50000 100000", 1), ("10000000 100000", HERE), ("damaged", HERE)],
)
def test_a_quota_of_cgroup_v2_bounds_the_processors(tmp_path: Path, quota: str, cpus: int) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert available_cpus(tmp_path) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("-1", HERE), ("100000", 1)])
def test_a_quota_of_cgroup_v1_bounds_the_processors(tmp_path: Path, quota: str, cpus: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cpus(tmp_path) == cpus


@pytest.mark.parametrize(
    ("flags", "exact"), [({"avx2", "avx_vnni"}, True), ({"avx512_vnni"}, True), ({"asimddp"}, True), ({"avx2"}, False)]
)
def test_int8_needs_a_processor_that_adds_products_exactly(flags: set[str], exact: bool) -> None:
    assert multiplies_int8(frozenset(flags)) is exact


def test_without_a_quota_all_processors_are_available(tmp_path: Path) -> None:
    assert available_cpus(tmp_path) == HERE


@pytest.mark.parametrize("name", ["flags", "Features"])
def test_the_flags_are_those_of_the_first_processor(tmp_path: Path, name: str) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\n{name}\t\t: fpu bf16 avx2\n\nprocessor\t: 1\n{name}\t\t: other\n")
    assert cpu_flags(cpuinfo) == {"fpu", "bf16", "avx2"}
    assert cpu_flags(tmp_path / "missing") == frozenset()


@pytest.mark.parametrize(
    ("stored", "device", "flags", "chosen"),
    [
        ("float32", "cpu", {"avx512_bf16"}, "float32"),
        ("bfloat16", "cpu", {"avx2"}, "float32"),
        ("float16", "cpu", set(), "float32"),
        ("bfloat16", "cpu", {"avx512_bf16"}, "bfloat16"),
        ("float16", "cpu", {"amx_bf16"}, "bfloat16"),
        ("float16", "cuda", set(), "float16"),
        ("float32", "cuda", set(), "float32"),
    ],
)
def test_weights_keep_their_precision_where_that_is_fast(
    stored: str, device: str, flags: set[str], chosen: str
) -> None:
    assert choose_dtype(stored, device, frozenset(flags)) == chosen
