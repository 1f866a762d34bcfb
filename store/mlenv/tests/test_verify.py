"""Verification names exactly what does not match its manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlenv.store import stat_check
from mlenv.store.store import Store
from mlenv.store.verify import verify

from .run_mlenv import mlenv
from .wheels import Wheel

SITE = "lib/python3.11/site-packages"


@pytest.fixture
def base(store: Store, prepare, populate, alpha: Wheel, beta: Wheel) -> Path:
    def fill() -> None:
        assert populate("k1", alpha, beta).status == 0

    prepare("an environment", fill)
    return store.environment("k1")


def flip(path: Path) -> None:
    """Change one byte without changing size, mode or name."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def report(store: Store, *arguments: str) -> tuple[int, dict]:
    result = mlenv("verify", "--store", store.root, "--json", *arguments)
    assert result.err == ""
    return result.status, json.loads(result.out)


def test_an_intact_store_is_reported_as_intact(store: Store, base: Path, archive_of):
    data, commit = archive_of({"config.json": b"{}"})
    arguments = ("--store", store.root, "--repo", "local/demo", "--revision", commit, "--archive", "-")
    assert mlenv("fetch", *arguments, stdin=data).status == 0
    result = mlenv("verify", "--store", store.root, "--full")
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith("envs/k1: ")
    assert lines[0].endswith(", intact")
    assert lines[1] == f"models/local/demo@{commit}: 1 file, 2 B, intact"
    assert lines[2].startswith("checked names, sizes, modes and hashes of 2 targets in ")


def test_every_difference_is_named(store: Store, base: Path):
    (base / SITE / "beta.py").unlink()
    (base / SITE / "alpha/data.json").write_bytes(b"{} ")
    (base / SITE / "alpha/deep").chmod(0o700)
    (base / SITE / "alpha/__init__.py").chmod(0o600)
    (base / SITE / "extra.py").write_text("")
    (base / "bin/link").symlink_to("alpha")
    status, document = report(store)
    assert (status, document["ok"], document["full"]) == (3, False, False)
    [target] = document["targets"]
    assert target["target"] == "envs/k1"
    assert target["missing"] == [f"{SITE}/beta.py"]
    assert target["added"] == [f"{SITE}/extra.py", "bin/link"]
    assert target["damaged"] == [
        {"path": f"{SITE}/alpha/__init__.py", "reason": "mode 0600 instead of 0644"},
        {"path": f"{SITE}/alpha/data.json", "reason": "3 bytes instead of 2"},
        {"path": f"{SITE}/alpha/deep", "reason": "mode 0700 instead of 0755"},
    ]
    result = mlenv("verify", "--store", store.root, "envs/k1")
    assert result.status == 3
    assert f"  missing: {SITE}/beta.py" in result.out.splitlines()
    assert "does not match its manifest: envs/k1. Repair it: mlenv repair envs/k1" in result.err


def test_a_flipped_bit_needs_the_hashes(store: Store, base: Path):
    flip(base / SITE / "alpha/data.json")
    assert report(store)[0] == 0
    status, document = report(store, "--full")
    assert status == 3
    [damaged] = document["targets"][0]["damaged"]
    assert damaged["path"] == f"{SITE}/alpha/data.json"
    assert damaged["reason"].startswith("sha256 ")


@pytest.mark.parametrize("name", ["files.tsv", "manifest.json", "lock.txt", "copies/manifest.json"])
def test_a_changed_manifest_is_detected(store: Store, base: Path, name: str):
    flip(base / ".mlenv" / name)
    status, document = report(store)
    assert status == 3
    assert document["targets"][0]["damaged"][0]["path"] == f".mlenv/{name}"


def test_one_bad_target_does_not_hide_another(store: Store, base: Path, populate, beta: Wheel):
    assert populate("k2", beta).status == 0
    flip(base / SITE / "alpha/data.json")
    status, document = report(store, "--full")
    assert [(target["target"], target["ok"]) for target in document["targets"]] == [
        ("envs/k1", False),
        ("envs/k2", True),
    ]
    assert status == 3


@pytest.mark.parametrize(
    ("target", "status", "expected"),
    [
        ("envs/nobody", 1, "envs/nobody is not in the store"),
        (f"models/Org/Name@{'0' * 40}", 1, "is not in the store"),
        ("k1", 2, "expected envs/KEY or models/ORG/NAME@COMMIT"),
        ("models/Org/Name@main", 2, "expected a full commit of 40 hex digits"),
    ],
)
def test_invalid_targets_are_refused(store: Store, target: str, status: int, expected: str):
    result = mlenv("verify", "--store", store.root, target)
    assert (result.status, expected in result.err) == (status, True)


def test_an_empty_store_is_intact(store: Store):
    assert report(store) == (0, {"ok": True, "full": False, "targets": []})


@pytest.mark.parametrize("single_process_files", [0, 1000])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda site: None, []),
        (lambda site: (site / "beta.py").unlink(), ["missing"]),
        (lambda site: (site / "alpha/deep/new.py").write_text(""), ["added"]),
        (lambda site: (site / "alpha/data.json").write_text("{ }"), ["damaged"]),
        (lambda site: (site / "alpha/data.json").chmod(0o755), ["damaged"]),
        (lambda site: (site / "alpha").chmod(0o755 - 0o050), ["damaged"]),
        (lambda site: (site / "link").symlink_to("beta.py"), ["added"]),
        (lambda site: (site / "alpha").rename(site / "omega"), ["missing", "added"]),
    ],
)
def test_the_stat_check_sees_every_change_that_the_slow_comparison_names(
    store: Store, base: Path, monkeypatch: pytest.MonkeyPatch, single_process_files: int, change, expected: list[str]
):
    """In several processes and in one."""
    monkeypatch.setattr(stat_check, "SINGLE_PROCESS_FILES", single_process_files)
    change(base / SITE)
    text = (base / ".mlenv/files.tsv").read_bytes()
    assert stat_check.matches(base, text) is (expected == [])
    result = verify(store, "envs/k1", full=False)
    assert [kind for kind in ("damaged", "missing", "added") if getattr(result, kind)] == expected
