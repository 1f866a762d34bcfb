"""The layout of a store, and the directories that are refused as a store."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pytest

from mlenv.core.errors import UsageError
from mlenv.core.model import Model
from mlenv.store.store import PARTIAL_DOWNLOADS_KEPT_SECONDS, Store

from .run_mlenv import mlenv
from .wheels import Wheel

ME = f"{os.getuid()}:{os.getgid()}"
NOBODY = 10001 if os.getuid() == 0 else os.getuid()


def modes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): f"{stat.S_IMODE(path.stat().st_mode):04o}"
        for path in sorted(root.rglob("*"))
    }


def test_init_makes_the_layout(tmp_path: Path):
    root = tmp_path / "deep/store"
    owner = f"{NOBODY}:{NOBODY if os.getuid() == 0 else os.getgid()}"
    result = mlenv(
        "init", "--store", root, "--data", "dev/server", "dev/second", "--data", "prod/server", "--owner", owner
    )
    assert (result.status, result.err) == (0, "")
    assert modes(root) == {
        "cache": "0755",
        "cache/pyc": "0755",
        "cache/uv": "0755",
        "data": "0755",
        "data/dev": "0755",
        "data/dev/second": "0700",
        "data/dev/server": "0700",
        "data/prod": "0755",
        "data/prod/server": "0700",
        "envs": "0755",
        "logs": "0755",
        "models": "0755",
        "models/huggingface": "0755",
        "models/huggingface/hub": "0755",
        "models/huggingface/manifests": "0755",
        "refs": "0755",
        "staging": "0755",
        "staging/locks": "0755",
        "staging/locks/init.lock": "0644",
        "store.json": "0644",
    }
    assert json.loads((root / "store.json").read_text()) == {"format": 1}
    assert (root / "data/dev/server").stat().st_uid == NOBODY
    assert (root / "envs").stat().st_uid == os.getuid()


def test_a_second_init_only_corrects_modes(tmp_path: Path):
    arguments = ("init", "--store", tmp_path / "s", "--data", "dev/server", "--owner", ME)
    assert mlenv(*arguments).status == 0
    kept = tmp_path / "s/data/dev/server/archon.db"
    kept.write_text("rows")
    kept.chmod(0o640)
    before = modes(tmp_path / "s")
    (tmp_path / "s/envs").chmod(0o700)
    (tmp_path / "s/data/dev/server").chmod(0o755)
    assert mlenv(*arguments).status == 0
    assert modes(tmp_path / "s") == before
    assert kept.read_text() == "rows"


def test_the_umask_of_the_caller_does_not_matter(tmp_path: Path):
    before = os.umask(0o077)
    try:
        assert mlenv("init", "--store", tmp_path / "s", "--owner", ME).status == 0
    finally:
        os.umask(before)
    assert modes(tmp_path / "s")["cache/uv"] == "0755"


def test_a_newer_store_is_refused_by_every_command(tmp_path: Path, beta: Wheel):
    (tmp_path / "s").mkdir()
    (tmp_path / "s/store.json").write_text('{"format": 2}')
    commands = [
        ("init",),
        ("verify",),
        ("populate", "--key", "k1", "--lock", "-"),
        ("fetch", "--repo", "Org/Name", "--revision", "0" * 40),
        ("hold", "--stack", "archon-dev"),
        ("collect", "--stack", "archon-dev"),
        ("prune",),
        ("list",),
        ("purge", "--data"),
        ("record", "--repo", "Org/Name", "--revision", "0" * 40),
    ]
    for command, *options in commands:
        result = mlenv(command, "--store", tmp_path / "s", *options, stdin=beta.lock_entry())
        assert result.status == 1
        assert "has format 2, this tool knows up to 1" in result.err
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["store.json"]


def test_a_damaged_format_file_is_reported(tmp_path: Path):
    (tmp_path / "store.json").write_text("{}")
    result = mlenv("verify", "--store", tmp_path)
    assert (result.status, "store.json is damaged" in result.err) == (1, True)


def test_a_directory_with_other_files_is_refused(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("")
    result = mlenv("init", "--store", tmp_path)
    assert result.status == 1
    assert f"{tmp_path} is not a store and not empty (it holds thesis.txt)" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_init_reports_a_read_only_disk(small_disk):
    result = mlenv("init", "--store", small_disk(1_000_000, "ro"))
    assert result.status == 1
    assert "the store cannot be used: [Errno 30] Read-only file system" in result.err
    assert "Traceback" not in result.err


def test_an_empty_disk_becomes_a_store(tmp_path: Path):
    (tmp_path / "lost+found").mkdir()
    assert mlenv("init", "--store", tmp_path, "--owner", ME).status == 0


@pytest.mark.parametrize("name", ["server", "a/b/c", "../x", "/etc", "a/.."])
def test_invalid_data_directories_are_refused(tmp_path: Path, name: str):
    result = mlenv("init", "--store", tmp_path / "s", "--data", name)
    assert (result.status, "expected STACK/SERVICE" in result.err) == (2, True)


def test_an_invalid_owner_is_refused(tmp_path: Path):
    result = mlenv("init", "--store", tmp_path / "s", "--owner", "root")
    assert (result.status, "expected UID:GID" in result.err) == (2, True)


@pytest.mark.parametrize("repo", ["gpt2", "a/b/c", "a//b", "/b", "a/..", "a/b--c", "-a/b", "a/b c", "Org/" + "n" * 97])
def test_invalid_model_names_are_refused(repo: str):
    with pytest.raises(UsageError, match="expected Org/Name"):
        Model.parse(repo, "0" * 40)


def test_an_abandoned_download_is_kept_for_a_day(store: Store, populate, beta: Wheel):
    for name, age in (("model-old", PARTIAL_DOWNLOADS_KEPT_SECONDS + 60), ("model-young", 60)):
        partial = store.staging / name / "snapshot/weights"
        partial.parent.mkdir(parents=True)
        partial.write_text("half")
        for path in [partial, *partial.parents[:2]]:
            os.utime(path, (time.time() - age,) * 2)
    (store.staging / "model-empty").mkdir()
    assert populate("k1", beta).status == 0
    assert sorted(path.name for path in store.staging.iterdir()) == ["locks", "model-young"]
