"""kill -9 at every step of hold, collect, purge and record; a full disk; concurrent runs."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from mlenv.core import failpoints
from mlenv.store.initialise import initialise
from mlenv.store.store import Store

from .run_mlenv import mlenv, start
from .store_commands import ROOT, collect, content, hold, prune, report, used
from .store_contents import left_in_staging, visible_environments, visible_snapshots
from .wheels import Wheel, lock_of, make_wheel


def steps(command: str) -> list[str]:
    return [step for step in failpoints.STEPS if step.startswith(f"{command}.")]


@pytest.fixture
def filled(store: Store, prepare, populate, archive_of, wheelhouse, alpha: Wheel, beta: Wheel) -> dict[str, str]:
    """Two environments and two models, of which `k1` and the model `kept` are GC roots."""
    newer_beta = make_wheel(wheelhouse, "beta", "2.1")

    def fill() -> dict[str, str]:
        assert populate("k1", alpha, beta).status == 0
        assert populate("k2", alpha, newer_beta).status == 0
        names = {}
        for name, repo, text in (
            ("kept", "local/one", b"1"),
            ("sibling", "local/one", b"2"),
            ("removed", "local/two", b"3"),
        ):
            data, commit = archive_of({"config.json": text})
            model = ("--store", store.root, "--repo", repo, "--revision", commit)
            assert mlenv("fetch", *model, "--archive", "-", stdin=data).status == 0
            answers = [{"query": "q", "right": 1.0, "best_other": 0.5}]
            baseline = {"answers": answers, "device": "cpu", "dtype": "float32", "environment": "k1"}
            assert mlenv("record", *model, stdin=json.dumps(baseline)).status == 0
            names[name] = f"{repo}@{commit}"
        assert hold(store, "archon-dev", content(["server:1"], ["k1"], [names["kept"]])).status == 0
        return names

    return prepare("two environments and two models", fill)


def snapshot_of(name: str) -> str:
    repo, commit = name.split("@")
    return f"models--{repo.replace('/', '--')}/{commit}"


def assert_whole(store: Store) -> None:
    """What is visible is complete, and no refs/main names a missing snapshot."""
    result = mlenv("verify", "--store", store.root, "--full")
    assert (result.status, result.err) == (0, "")
    for reference in store.hub.glob("*/refs/main"):
        assert (reference.parent.parent / "snapshots" / reference.read_text()).is_dir()


@pytest.mark.parametrize("step", steps("collect"))
def test_a_killed_collection_keeps_what_is_needed_and_the_next_one_completes(
    store: Store, filled, populate, alpha: Wheel, beta: Wheel, step: str
):
    keep = content(["server:2"], ["k1"], [filled["kept"]])
    killed = collect(store, "archon-dev", keep, MLENV_FAILPOINT=step)
    assert killed.status == -signal.SIGKILL, killed.err
    assert "k1" in visible_environments(store)
    assert snapshot_of(filled["kept"]) in visible_snapshots(store)
    assert_whole(store)
    again = report(collect(store, "archon-dev", keep))
    assert visible_environments(store) == ["k1"]
    assert visible_snapshots(store) == [snapshot_of(filled["kept"])]
    assert left_in_staging(store) == []
    assert_whole(store)
    # Nothing is left over: the store is the same as without the kill.
    assert len(list(store.uv_cache.glob("archive-v*/*"))) == len(list(store.pyc_cache.glob("*/*"))) == 2
    assert len(list(store.manifests.glob("*/*"))) == 3
    assert again["bytes"] >= 0
    assert report(prune(store))["bytes"] == 0
    assert populate("k3", alpha, make_wheel(beta.path.parent, "beta", "2.1"), imports=("alpha",)).status == 0


@pytest.mark.parametrize("step", ["collect.hidden", "collect.deleting", "collect.snapshot"])
def test_the_next_run_removes_what_a_killed_collection_left(store: Store, filled, populate, beta: Wheel, step: str):
    assert prune(store, MLENV_FAILPOINT=step).status == -signal.SIGKILL
    assert left_in_staging(store) == ["collected"]
    assert populate("k3", beta).status == 0
    assert left_in_staging(store) == []
    assert_whole(store)


def test_a_killed_hold_has_written_its_gc_roots(store: Store):
    killed = hold(store, "archon-dev", content(["server:1"], ["k1"]), MLENV_FAILPOINT="hold.written")
    assert killed.status == -signal.SIGKILL
    assert hold(store, "archon-dev", content(["server:2"])).status == 0
    document = json.loads((store.gc_roots / "archon-dev.json").read_text())
    assert (document["images"], document["environments"]) == (["server:1", "server:2"], ["k1"])


@pytest.mark.parametrize("data", [True, False])
@pytest.mark.parametrize("step", steps("purge"))
def test_a_killed_purge_can_be_repeated(store: Store, filled, step: str, data: bool):
    (store.data / "dev/server").mkdir(parents=True)
    (store.data / "dev/server/archon.db").write_text("rows")
    arguments = ("purge", "--store", store.root, *(["--data"] if data else []))
    nothing_mounted = json.dumps({"mounted": [], "root": ROOT})
    assert mlenv(*arguments, stdin=nothing_mounted, MLENV_FAILPOINT=step).status == -signal.SIGKILL
    assert (store.data / "dev/server/archon.db").exists() or data
    if store.environments.is_dir() and store.hub.is_dir():
        assert_whole(store)
    if (store.root / "store.json").exists():
        again = mlenv(*arguments, stdin=nothing_mounted)
        assert again.status == 0, again.err
    if data:
        assert list(store.root.iterdir()) == []
    else:
        assert (store.data / "dev/server/archon.db").read_text() == "rows"
        assert visible_environments(store) == visible_snapshots(store) == []
        assert report(prune(store))["bytes"] == 0


def test_a_killed_record_has_written_the_baseline(store: Store, filled):
    repo, commit = filled["kept"].split("@")
    baseline = store.manifests / f"{snapshot_of(filled['kept'])}.proof.json"
    baseline.unlink()
    answers = {"answers": [{"query": "q", "right": 2.0, "best_other": 0.5}], "device": "cpu", "dtype": "bf16"}
    arguments = ("record", "--store", store.root, "--repo", repo, "--revision", commit)
    document = json.dumps(answers | {"environment": "k1"})
    assert mlenv(*arguments, stdin=document, MLENV_FAILPOINT="record.written").status == -signal.SIGKILL
    assert "already has a baseline, which is kept" in mlenv(*arguments, stdin=document.replace("2.0", "3.0")).out
    assert json.loads(baseline.read_text())["answers"] == answers["answers"]


def test_a_collection_waits_for_runs_and_for_the_uv_of_a_killed_run(store: Store, filled, wheelhouse, alpha: Wheel):
    command = ("populate", "--store", store.root, "--key", "k9", "--lock", "-", "--wheelhouse", wheelhouse)
    for name, operation in (("store", fcntl.LOCK_SH), ("env-k9", fcntl.LOCK_EX)):
        descriptor = os.open(store.staging / "locks" / f"{name}.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, operation)
        process = start("prune", "--store", store.root)
        process.stdin.write(json.dumps({"mounted": [], "root": ROOT}).encode())
        process.stdin.close()
        process.stdin = None
        waiting = "the whole store" if name == "store" else "env-k9"
        assert process.stdout.readline().startswith(f"waiting: another run holds {waiting}".encode())
        assert "k2" in visible_environments(store) or name != "store"
        os.close(descriptor)
        assert process.wait(timeout=60) == 0
        process.stdout.close()
        process.stderr.close()
    # A run that starts meanwhile waits for the garbage collection.
    descriptor = os.open(store.staging / "locks/store.lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    process = start(*command)
    process.stdin.write(lock_of(alpha).encode())
    process.stdin.close()
    process.stdin = None
    assert process.stdout.readline().startswith(b"waiting: another run holds the whole store")
    os.close(descriptor)
    assert process.wait(timeout=60) == 0
    process.stdout.close()
    process.stderr.close()


def fill(root: Path) -> None:
    """Fill the disk."""
    with (root / "filling").open("wb", buffering=0) as stream:
        try:
            while stream.write(b"\0" * 4096):
                pass
        except OSError:
            return


def test_a_collection_works_on_a_full_disk(small_disk, wheelhouse, beta: Wheel):
    """Garbage collection frees a full disk, so it must not need space."""
    disk = small_disk(8_000_000)
    store = initialise(disk / "store", [], (0, 0))
    arguments = ("--store", store.root, "--key", "k1", "--lock", "-", "--wheelhouse", wheelhouse)
    assert mlenv("populate", *arguments, stdin=lock_of(beta), MLENV_TEST_SKIP_PREFLIGHT="1").status == 0
    assert hold(store, "archon-dev", content([], ["k1"])).status == 0
    fill(disk)
    before = (store.gc_roots / "archon-dev.json").read_text()
    held = hold(store, "archon-dev", content([], ["k2"]))
    assert (held.status, "the disk is full" in held.err) == (1, True)
    assert (store.gc_roots / "archon-dev.json").read_text() == before
    assert visible_environments(store) == ["k1"]
    done = report(prune(store, "--forget", "archon-dev"))
    assert [item["key"] for item in done["environments"]] == ["k1"]
    assert visible_environments(store) == []


def test_a_read_only_disk_can_be_read_but_not_changed(small_disk, wheelhouse, beta: Wheel):
    disk = small_disk(8_000_000)
    store = initialise(disk / "store", [], (0, 0))
    arguments = ("--store", store.root, "--key", "k1", "--lock", "-", "--wheelhouse", wheelhouse)
    assert mlenv("populate", *arguments, stdin=lock_of(beta), MLENV_TEST_SKIP_PREFLIGHT="1").status == 0
    before = used(store.root)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    purge = mlenv("purge", "--store", store.root, stdin=json.dumps({"mounted": [], "root": ROOT}))
    for result in (hold(store, "archon-dev", content()), collect(store, "archon-dev", content()), prune(store), purge):
        assert result.status == 1
        assert "the store cannot be used: [Errno 30] Read-only file system" in result.err
    assert mlenv("list", "--store", store.root).status == 0
    assert mlenv("verify", "--store", store.root, "--full").status == 0
    assert used(store.root) == before
