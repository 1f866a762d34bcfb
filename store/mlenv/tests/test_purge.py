"""Removing a store, and recording baselines."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

from mlenv.store.store import Store, remove_tree

from .run_mlenv import mlenv, start
from .store_commands import ROOT, used
from .store_contents import visible_environments
from .wheels import Wheel, lock_of


def purge(store: Store, *options: str, mounted=()):
    document = json.dumps({"mounted": list(mounted), "root": ROOT})
    return mlenv("purge", "--store", store.root, *options, stdin=document)


@pytest.fixture
def filled(store: Store, populate, beta: Wheel) -> Store:
    assert populate("k1", beta).status == 0
    return store


def test_everything_is_removed(filled: Store):
    dry_run = purge(filled, "--dry-run")
    assert visible_environments(filled) == ["k1"]
    done = purge(filled)
    assert (done.status, done.err) == (0, "")
    assert dry_run.out.splitlines()[-1].removeprefix("would free") == done.out.splitlines()[-1].removeprefix("freed")
    assert list(filled.root.iterdir()) == []
    assert mlenv("init", "--store", filled.root).status == 0


def test_data_is_kept_by_default(filled: Store):
    rows = filled.data / "dev/server/archon.db"
    rows.parent.mkdir(parents=True)
    rows.write_text("rows")
    result = purge(filled)
    assert "the servers' own files stay (data/); --data removes them too" in result.out
    assert rows.read_text() == "rows"
    assert visible_environments(filled) == []
    assert used(filled.root / "cache") < 20_000
    assert mlenv("verify", "--store", filled.root).status == 0
    assert purge(filled, "--data").status == 0
    assert list(filled.root.iterdir()) == []


def test_a_run_that_waited_for_a_purge_reports_that_the_store_is_missing(filled: Store, wheelhouse: Path, beta: Wheel):
    descriptor = os.open(filled.staging / "locks/store.lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    process = start("populate", "--store", filled.root, "--key", "k2", "--lock", "-", "--wheelhouse", wheelhouse)
    process.stdin.write(lock_of(beta).encode())
    process.stdin.close()
    process.stdin = None
    assert process.stdout.readline().startswith(b"waiting: another run holds the whole store")
    for path in filled.root.iterdir():
        remove_tree(path)
    os.close(descriptor)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "is not a store: store.json is missing" in err.decode()) == (1, True)
    assert "Traceback" not in err.decode()
    assert list(filled.root.iterdir()) == []


def test_foreign_files_are_kept(filled: Store):
    (filled.root / "lost+found").mkdir()
    assert purge(filled).status == 0
    assert [path.name for path in filled.root.iterdir()] == ["lost+found"]


@pytest.mark.parametrize("path", ["envs/k1", "data/dev/server", "models/huggingface"])
def test_a_store_that_running_containers_mount_is_kept(filled: Store, path: str):
    result = purge(filled, "--data", mounted=[f"{ROOT}/{path}"])
    assert result.status == 1
    assert f"running containers mount {path} of the store {ROOT}" in result.err
    assert visible_environments(filled) == ["k1"]
    assert purge(filled, mounted=[ROOT, "/", "/srv/store2/envs/k1"]).status == 0


@pytest.fixture
def model(store: Store, archive_of) -> tuple[str, ...]:
    data, commit = archive_of({"config.json": b"{}"})
    named = ("--store", store.root, "--repo", "local/demo", "--revision", commit)
    assert mlenv("fetch", *named, "--archive", "-", stdin=data).status == 0
    return named


ANSWERS = {
    "answers": [{"query": "what", "right": 0.9, "best_other": 0.1}],
    "device": "cpu",
    "dtype": "float32",
    "environment": "k1",
}


def test_the_first_baseline_is_kept(store: Store, model):
    assert mlenv("record", *model, stdin=json.dumps(ANSWERS)).status == 0
    path = store.manifests / f"models--local--demo/{model[-1]}.proof.json"
    baseline = json.loads(path.read_text())
    assert baseline.pop("recorded")
    assert baseline == {"format": 1, **ANSWERS}
    assert path.stat().st_mode & 0o777 == 0o644
    second = mlenv("record", *model, stdin=json.dumps(ANSWERS | {"device": "cuda"}))
    assert (second.status, "already has a baseline, which is kept" in second.out) == (0, True)
    assert json.loads(path.read_text())["device"] == "cpu"
    listed = json.loads(mlenv("list", "--store", store.root, "--json").out)
    assert [item["proven"] for item in listed["models"]] == [True]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"answers": []}, "answers: expected a list of {query, right, best_other}, got []"),
        ({"answers": [{"query": "q", "right": "high", "best_other": 0}]}, "is not {query, right, best_other}"),
        ({"answers": [{"query": "q", "right": 1}]}, "is not {query, right, best_other}"),
        ({"device": None}, "device: expected a string, got None"),
        ({"format": 2}, "format 2: expected 1"),
        ({"extra": 1}, "unknown names extra"),
        ({"recorded": 5}, "recorded: expected a time, got 5"),
    ],
)
def test_malformed_answers_are_refused(store: Store, model, change: dict, expected: str):
    result = mlenv("record", *model, stdin=json.dumps(ANSWERS | change))
    assert (result.status, expected in result.err) == (2, True)
    assert not list(store.manifests.glob("*/*.proof.json"))


def test_a_baseline_of_a_missing_model_is_refused(store: Store):
    named = ("--store", store.root, "--repo", "local/demo", "--revision", "0" * 40)
    result = mlenv("record", *named, stdin=json.dumps(ANSWERS))
    assert (result.status, "is not in the store, so it has no baseline to record" in result.err) == (1, True)
    assert list(store.manifests.iterdir()) == []
