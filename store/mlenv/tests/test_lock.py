"""Lock files: one resolution for all lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlenv.environments.distributions import BLOCK_BYTES
from mlenv.environments.requirements import parse

from .run_mlenv import mlenv
from .wheels import make_wheel


@pytest.fixture
def lists(tmp_path: Path, wheelhouse: Path) -> Path:
    """Two lists that would get different versions of `shared` if resolved separately, and a third that follows them."""
    for version in ("1.0", "1.5", "2.0"):
        make_wheel(wheelhouse, "shared", version)
    make_wheel(wheelhouse, "web", "3.0", requires=("shared>=1",))
    make_wheel(
        wheelhouse,
        "torchlike",
        "4.0",
        {"torchlike/__init__.py": "", "torchlike/big.bin": b"\0" * 10_000},
        requires=("shared<2",),
    )
    make_wheel(wheelhouse, "checker", "5.0", requires=("shared",))
    (tmp_path / "minimal.in").write_text("web\n")
    (tmp_path / "ml.in").write_text("torchlike\n")
    (tmp_path / "tests.in").write_text("checker\n")
    return tmp_path


def lock(lists: Path, wheelhouse: Path, *options: str):
    arguments = ("--minimal", lists / "minimal.in", "--ml", lists / "ml.in", "--also", lists / "tests.in")
    return mlenv("lock", *arguments, "--output", lists / "out", "--wheelhouse", wheelhouse, *options)


def pins(path: Path) -> list[str]:
    return [str(item) for item in parse(path.read_text()).requirements]


def test_all_lists_get_the_same_versions(lists: Path, wheelhouse: Path):
    result = lock(lists, wheelhouse)
    assert result.status == 0, result.err
    assert pins(lists / "out/minimal.txt") == ["shared==1.5", "web==3.0"]
    assert pins(lists / "out/ml.txt") == ["shared==1.5", "torchlike==4.0"]
    assert pins(lists / "out/tests.txt") == ["checker==5.0", "shared==1.5"]


def test_the_files_are_complete_and_name_no_index(lists: Path, wheelhouse: Path):
    assert lock(lists, wheelhouse).status == 0
    text = (lists / "out/ml.txt").read_text()
    assert text.splitlines()[:3] == [
        "# Written by `mlenv lock` (npm run lock) from ml.in; do not edit.",
        "# python: cp311",
        "# platform: x86_64-manylinux_2_28",
    ]
    assert str(wheelhouse) not in text
    assert "://" not in text
    shared, torchlike = parse(text).requirements
    # Module, METADATA, WHEEL, INSTALLER, RECORD; REQUESTED is empty. torchlike: an empty module and three blocks more.
    assert (shared.size, torchlike.size) == (5 * BLOCK_BYTES, 4 * BLOCK_BYTES + 3 * BLOCK_BYTES)
    assert len(torchlike.hashes) == 1


def test_locking_again_changes_nothing_without_upgrade(lists: Path, wheelhouse: Path):
    assert lock(lists, wheelhouse).status == 0
    before = {path.name: path.read_bytes() for path in (lists / "out").iterdir()}
    make_wheel(wheelhouse, "shared", "1.9")
    assert lock(lists, wheelhouse).status == 0
    assert {path.name: path.read_bytes() for path in (lists / "out").iterdir()} == before
    assert lock(lists, wheelhouse, "--upgrade").status == 0
    assert {pins(lists / f"out/{name}.txt")[0] for name in ("minimal", "ml")} == {"shared==1.9"}
    assert pins(lists / "out/tests.txt") == ["checker==5.0", "shared==1.9"]


def test_a_lock_file_can_be_populated(store, lists: Path, wheelhouse: Path, populate):
    import platform

    if platform.machine() != "x86_64":
        pytest.skip("the lock file is for x86_64")
    assert lock(lists, wheelhouse).status == 0
    assert populate("k1", (lists / "out/ml.txt").read_text(), imports=("torchlike",)).status == 0


def test_contradicting_lists_leave_the_old_lock_files(lists: Path, wheelhouse: Path):
    assert lock(lists, wheelhouse).status == 0
    before = (lists / "out/ml.txt").read_bytes()
    (lists / "minimal.in").write_text("web\nshared==2.0\n")
    result = lock(lists, wheelhouse)
    assert result.status == 1
    assert "shared" in result.err
    assert (lists / "out/ml.txt").read_bytes() == before


def test_a_missing_list_is_reported(lists: Path, wheelhouse: Path):
    (lists / "ml.in").unlink()
    result = lock(lists, wheelhouse)
    assert (result.status, "ml.in is not a file named <something>.in" in result.err) == (2, True)
