"""kill -9 at every step: nothing incomplete is visible, and the next run completes.

The process kills itself at a named step. These tests do not lose writes that never reached the disk: against that, the
code syncs the files, renames the directory and syncs its parent, in this order.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from mlenv.core import failpoints
from mlenv.store.store import Store

from .fake_hub import FakeHub
from .run_mlenv import mlenv, start
from .store_contents import left_in_staging, visible_environments, visible_snapshots
from .wheels import Wheel, lock_of, make_wheel

REVISION = "a1" * 20
FILES = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 8000, "sub/vocab.txt": b"one\ntwo\n"}
ALL_VISIBLE = {"populate.renamed", "fetch.renamed", "fetch.reference"}


def steps(command: str) -> list[str]:
    return [step for step in failpoints.STEPS if step.startswith(f"{command}.")]


def test_every_step_belongs_to_a_test_here_or_elsewhere():
    here = {*steps("init"), *steps("populate"), *steps("fetch")}
    elsewhere = {step for name in ("repair", "hold", "collect", "purge", "record", "import") for step in steps(name)}
    assert set(failpoints.STEPS) == here | elsewhere
    assert mlenv("--list-failpoints").out.split() == list(failpoints.STEPS)


@pytest.mark.parametrize("step", steps("init"))
def test_a_killed_init_is_completed_by_the_next_run(tmp_path: Path, step: str):
    arguments = (
        "init",
        "--store",
        tmp_path / "store",
        "--data",
        "dev/server",
        "--owner",
        f"{os.getuid()}:{os.getgid()}",
    )
    assert mlenv(*arguments, MLENV_FAILPOINT=step).status == -signal.SIGKILL
    assert mlenv(*arguments).status == 0
    Store.open(tmp_path / "store")
    assert (tmp_path / "store/data/dev/server").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("step", steps("populate"))
def test_a_killed_populate_is_completed_by_the_next_run(store: Store, populate, alpha: Wheel, beta: Wheel, step: str):
    killed = populate("k1", alpha, beta, imports=("alpha",), MLENV_FAILPOINT=step)
    assert killed.status == -signal.SIGKILL, killed.err
    assert visible_environments(store) == (["k1"] if step in ALL_VISIBLE else [])
    again = populate("k1", alpha, beta, imports=("alpha",))
    assert again.status == 0, again.err
    assert visible_environments(store) == ["k1"]
    assert left_in_staging(store) == []
    assert mlenv("verify", "--store", store.root, "--full").status == 0


@pytest.mark.parametrize("step", [step for step in steps("fetch") if step != "fetch.extracting"])
def test_a_killed_fetch_is_completed_by_the_next_run(store: Store, hub: FakeHub, step: str):
    hub.add("Org/Name", REVISION, FILES)
    arguments = (
        "fetch",
        "--store",
        store.root,
        "--repo",
        "Org/Name",
        "--revision",
        REVISION,
        "--endpoint",
        hub.endpoint,
    )
    assert mlenv(*arguments, MLENV_FAILPOINT=step).status == -signal.SIGKILL
    name = f"models--Org--Name/{REVISION}"
    assert visible_snapshots(store) == ([name] if step in ALL_VISIBLE else [])
    again = mlenv(*arguments)
    assert again.status == 0, again.err
    assert visible_snapshots(store) == [name]
    assert left_in_staging(store) == []
    assert (store.hub / "models--Org--Name/refs/main").read_text() == REVISION
    assert mlenv("verify", "--store", store.root, "--full").status == 0


def test_a_killed_fetch_from_an_archive_is_completed_by_the_next_run(store: Store, archive_of):
    data, revision = archive_of({"config.json": b"{}", "vocab.txt": b"one"})
    arguments = ("fetch", "--store", store.root, "--repo", "local/demo", "--revision", revision, "--archive", "-")
    for step in ("fetch.extracting", "fetch.complete", "fetch.synced", "fetch.manifest"):
        assert mlenv(*arguments, stdin=data, MLENV_FAILPOINT=step).status == -signal.SIGKILL
        assert visible_snapshots(store) == []
    assert mlenv(*arguments, stdin=data).status == 0
    assert left_in_staging(store) == []


def test_a_terminated_run_cleans_up_and_reports_it(store: Store, wheelhouse: Path):
    slow = make_wheel(wheelhouse, "slow", files={"slow.py": "import time\ntime.sleep(60)\n"})
    command = ("populate", "--store", store.root, "--key", "k1", "--lock", "-", "--wheelhouse", wheelhouse)
    process = start(*command, "--import", "slow")
    process.stdin.write(lock_of(slow).encode())
    process.stdin.close()
    process.stdin = None
    lines = iter(process.stdout.readline, b"")
    assert any(line.startswith(b"compile: ") for line in lines)
    process.terminate()
    _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "interrupted" in err.decode()
    assert visible_environments(store) == []
    assert left_in_staging(store) == []


def test_a_run_waits_for_the_uv_of_a_killed_one(
    store: Store, populate, wheelhouse: Path, alpha: Wheel, beta: Wheel, tmp_path: Path
):
    """Outside a container, uv outlives a killed parent; clearing its directory would race with it."""
    gate = tmp_path / "gate"
    slow = tmp_path / "bin/uv"
    slow.parent.mkdir()
    real = shutil.which("uv")
    slow.write_text(f'#!/bin/sh\necho Resolved >&2\nwhile [ ! -e {gate} ]; do sleep 0.05; done\nexec {real} "$@"\n')
    slow.chmod(0o755)
    path = f"{slow.parent}:{os.environ['PATH']}"
    try:
        killed = populate("k1", alpha, beta, PATH=path, MLENV_FAILPOINT="populate.installing")
        assert killed.status == -signal.SIGKILL

        named = ("--store", store.root, "--key", "k1", "--lock", "-", "--wheelhouse", wheelhouse)
        again = start("populate", *named)
        again.stdin.write(lock_of(alpha, beta).encode())
        again.stdin.close()
        assert again.stdout.readline().startswith(b"waiting: another run holds environment k1")
    finally:
        gate.touch()

    assert again.wait() == 0, again.stderr.read()
    assert mlenv("verify", "--store", store.root, "--full").status == 0
