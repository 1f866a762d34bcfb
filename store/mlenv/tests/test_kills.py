"""kill -9 at random moments of a download: the next run resumes it, and downloads little again.

`python3 -m mlenv.tests.bench_fetch` does the same with a model of real size.
"""

from __future__ import annotations

import random
import sys
import time

from mlenv.core.model import Model
from mlenv.store.store import Store, remove_tree

from .fake_hub import FakeHub
from .kill_downloads import Download, kill_again_and_again
from .run_mlenv import mlenv, start
from .store_contents import everything_below

MODEL = Model("Org/Name", "f6" * 20)
PART = 20_000
CONNECTIONS = 4
FILES = {"config.json": b'{"a": 1}', "model.safetensors": random.Random(3).randbytes(2_000_000)}


def test_every_kill_costs_at_most_one_part_a_connection(store: Store, hub: FakeHub):
    hub.add(MODEL.repo, MODEL.revision, FILES)
    # Otherwise the download would finish before the first kill.
    hub.delay = 0.01
    command = [sys.executable, "-m", "mlenv", "fetch", "--store", str(store.root), "--repo", MODEL.repo]
    command += ["--revision", MODEL.revision, "--endpoint", hub.endpoint]
    command += ["--part-size", str(PART), "--connections", str(CONNECTIONS)]

    def completed() -> None:
        assert everything_below(store.snapshot(MODEL)) == FILES
        remove_tree(store.snapshot(MODEL))

    total = sum(map(len, FILES.values()))
    killed = kill_again_and_again(Download(hub, store, MODEL, command, total, PART), 12, 5, completed)
    assert killed.kills == 12
    assert 0 < killed.worst <= CONNECTIONS * PART
    assert hub.sent == killed.downloads * total + killed.again


def test_a_terminated_download_ends_at_once_and_can_be_resumed(store: Store, hub: FakeHub):
    hub.add(MODEL.repo, MODEL.revision, FILES)
    hub.delay = 0.02
    command = ["fetch", "--store", store.root, "--repo", MODEL.repo, "--revision", MODEL.revision]
    command += ["--endpoint", hub.endpoint, "--part-size", PART, "--connections", CONNECTIONS]
    process = start(*command)
    while hub.sent < 400_000:
        time.sleep(0.005)
    process.terminate()
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.decode() == "mlenv: error: interrupted; nothing incomplete is visible. Run this again\n"
    result = mlenv(*command)
    assert result.status == 0, result.err
    assert everything_below(store.snapshot(MODEL)) == FILES
    assert hub.sent <= sum(map(len, FILES.values())) + CONNECTIONS * PART
