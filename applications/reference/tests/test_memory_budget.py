"""The memory that models may take, and estimates for snapshots."""

import json
from pathlib import Path
from typing import Any

import pytest

from archon_server.reranking import cgroup, memory_estimate
from archon_server.reranking.budget import default_budget, format_bytes
from archon_server.settings import Model
from tests.fakes import MODEL, write_snapshot

MEBIBYTE = 1024 * 1024


@pytest.fixture
def meminfo(tmp_path: Path) -> Path:
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:       8388608 kB\nMemFree:         1000 kB\n")
    return path


@pytest.mark.parametrize(
    ("limit", "expected"), [("3221225472", 3072), ("max", 8192), ("17179869184", 8192), ("damaged", 8192)]
)
def test_the_limit_of_cgroup_v2_bounds_the_memory(tmp_path: Path, meminfo: Path, limit: str, expected: int) -> None:
    (tmp_path / "memory.max").write_text(limit + "\n")
    assert cgroup.container_limit(tmp_path, meminfo) == expected * MEBIBYTE


@pytest.mark.parametrize(("limit", "expected"), [("3221225472", 3072), ("9223372036854771712", 8192)])
def test_the_limit_of_cgroup_v1_bounds_the_memory(tmp_path: Path, meminfo: Path, limit: str, expected: int) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text(limit + "\n")
    assert cgroup.container_limit(tmp_path, meminfo) == expected * MEBIBYTE


def test_without_any_limit_the_memory_is_unknown(tmp_path: Path) -> None:
    assert cgroup.container_limit(tmp_path, tmp_path / "none") == 0


@pytest.mark.parametrize(("limit", "budget"), [(3072, 1964), (6144, 4729), (512, 0), (0, 0)])
def test_models_get_what_the_rest_of_the_server_leaves(limit: int, budget: int) -> None:
    assert default_budget(limit * MEBIBYTE) // MEBIBYTE == budget


@pytest.mark.parametrize(("size", "text"), [(1_191_588_280, "1.2 GB"), (2_949_058, "2.9 MB"), (999, "999 bytes")])
def test_sizes_are_readable(size: int, text: str) -> None:
    assert format_bytes(size) == text


def stored(tmp_path: Path, variant: str, config: dict[str, Any], tensors: dict[str, tuple[str, list[int], int]]) -> Any:
    model = Model(MODEL.name, MODEL.repo, MODEL.revision, variant)
    folder = write_snapshot(tmp_path, model)
    (folder / "config.json").write_text(json.dumps(config))
    end, header = 0, {}
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps({"__metadata__": {"format": "pt"}} | header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    return model


@pytest.mark.parametrize(
    ("variant", "flags", "expected"),
    [
        ("auto", {"avx512_bf16"}, 2 * 2000 + 5),
        ("auto", set(), 4 * 2000 + 5),
        ("float32", {"avx512_bf16"}, 4 * 2000 + 5),
        ("bfloat16", set(), 2 * 2000 + 5),
    ],
)
def test_weights_are_counted_in_the_dtype_that_they_will_have_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str, flags: set[str], expected: int
) -> None:
    monkeypatch.setattr(memory_estimate, "cpu_flags", lambda: frozenset(flags))
    tensors = {"a": ("BF16", [100, 20], 4000), "b": ("I8", [5], 5)}
    model = stored(tmp_path, variant, {"torch_dtype": "bfloat16"}, tensors)
    assert memory_estimate.estimate(tmp_path, model) == expected


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 100, (5).to_bytes(8, "little") + b'"abc"'])
def test_damaged_weights_do_not_fail_the_estimate(tmp_path: Path, content: bytes) -> None:
    folder = write_snapshot(tmp_path, MODEL)
    (folder / "model.safetensors").write_bytes(content)
    assert memory_estimate.estimate(tmp_path, MODEL) == 0
