"""Concurrent runs: they do the work for one object once, and work on different objects at the same time."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlenv.store.store import Store

from .fake_hub import FakeHub
from .run_mlenv import start
from .wheels import Wheel, lock_of, make_wheel

REVISION = "b2" * 20


def begin(store: Store, wheelhouse: Path, key: str, lock: str) -> subprocess.Popen[bytes]:
    process = start("populate", "--store", store.root, "--key", key, "--lock", "-", "--wheelhouse", wheelhouse)
    process.stdin.write(lock.encode())
    process.stdin.close()
    process.stdin = None
    return process


def end(process: subprocess.Popen[bytes]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    return out.decode()


@contextmanager
def held(store: Store, name: str, operation: int) -> Iterator[None]:
    descriptor = os.open(store.staging / "locks" / f"{name}.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


def test_two_runs_for_one_environment_do_the_work_once(store: Store, wheelhouse: Path, alpha: Wheel, beta: Wheel):
    lock = lock_of(alpha, beta)
    # Both wait for each other, so that neither finishes before the other begins.
    with held(store, "env-k1", fcntl.LOCK_EX):
        processes = [begin(store, wheelhouse, "k1", lock) for _ in range(2)]
        for process in processes:
            assert process.stdout.readline().startswith(b"waiting: another run holds environment k1")
    outputs = sorted(end(process) for process in processes)
    assert sum("install: " in output for output in outputs) == 1
    assert sum("environment k1 is already there" in output for output in outputs) == 1


def test_two_fetches_of_one_model_do_the_work_once(store: Store, hub: FakeHub):
    hub.add("Org/Name", REVISION, {"config.json": b"{}"})
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
    with held(store, f"model-models--Org--Name-{REVISION}", fcntl.LOCK_EX):
        processes = [start(*arguments) for _ in range(2)]
        for process in processes:
            assert process.stdout.readline().startswith(b"waiting: another run holds model Org/Name@")
    for process in processes:
        end(process)
    assert len(hub.requests_to("/resolve/")) == 1


def test_different_environments_do_not_wait_for_each_other(store: Store, wheelhouse: Path, alpha: Wheel, beta: Wheel):
    with held(store, "env-k1", fcntl.LOCK_EX):
        output = end(begin(store, wheelhouse, "k2", lock_of(alpha, beta)))
    assert "waiting" not in output


def test_runs_share_the_store_but_wait_for_an_exclusive_lock(store: Store, wheelhouse: Path, beta: Wheel):
    with held(store, "store", fcntl.LOCK_SH):
        assert "waiting" not in end(begin(store, wheelhouse, "k1", lock_of(beta)))
    with held(store, "store", fcntl.LOCK_EX):
        process = begin(store, wheelhouse, "k2", lock_of(beta))
        assert process.stdout.readline().startswith(b"waiting: another run holds the whole store")
    end(process)


def test_the_staging_directory_of_a_running_job_is_left_alone(store: Store, wheelhouse: Path, beta: Wheel):
    (store.staging / "env-k1").mkdir()
    with held(store, "env-k1", fcntl.LOCK_EX):
        end(begin(store, wheelhouse, "k2", lock_of(beta)))
        assert (store.staging / "env-k1").is_dir()
    output = end(begin(store, wheelhouse, "k3", lock_of(make_wheel(wheelhouse, "gamma"))))
    assert "removed what an interrupted run left: staging/env-k1" in output
    assert not (store.staging / "env-k1").exists()
