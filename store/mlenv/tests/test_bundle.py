"""Bundles: a host without network imports all of one, or nothing."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import tarfile
from pathlib import Path

import pytest

from mlenv.core import failpoints
from mlenv.store.initialise import initialise
from mlenv.store.store import Store

from .archives import pack
from .fake_hub import FakeHub
from .run_mlenv import Result, mlenv, start
from .store_contents import everything_below, left_in_staging, visible_environments, visible_snapshots
from .wheels import Wheel

REVISION = "b7" * 20
FILES = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 100}
MODEL = f"models/Org/Name@{REVISION}"
NOT_EXPORTED = ("cache/uv", "cache/pyc", "staging", "logs", "refs", "data")
STEPS = [step for step in failpoints.STEPS if step.startswith("import.")]


@pytest.fixture
def filled(store: Store, prepare, populate, alpha: Wheel, beta: Wheel, hub: FakeHub) -> Store:
    """A store with one environment, `k1`, and one model with a baseline."""
    hub.add("Org/Name", REVISION, FILES)

    def fill() -> None:
        assert populate("k1", alpha, beta, imports=("alpha",)).status == 0
        model = ("--store", store.root, "--repo", "Org/Name", "--revision", REVISION)
        assert mlenv("fetch", *model, "--endpoint", hub.endpoint).status == 0
        answers = [{"query": "q", "right": 1.0, "best_other": 0.0}]
        baseline = {"answers": answers, "device": "cpu", "dtype": "float32", "environment": "k1"}
        assert mlenv("record", *model, stdin=json.dumps(baseline)).status == 0

    prepare("an environment and a model", fill)
    return store


@pytest.fixture
def elsewhere(tmp_path: Path) -> Store:
    """An empty store on the other host."""
    return initialise(tmp_path / "elsewhere", [], (0, 0))


def export(store: Store, *targets: str) -> bytes:
    process = start("export", "--store", store.root, "--output", "-", *targets)
    out, err = process.communicate()
    assert process.returncode == 0, err.decode()
    return out


def run_import(store: Store, data: bytes, *options: str, **environment: str) -> Result:
    return mlenv("import", "--store", store.root, *options, stdin=data, **environment)


def content(store: Store) -> dict[str, bytes]:
    """The files of environments and models, including manifests and baselines."""
    return {path: data for path, data in everything_below(store.root).items() if not path.startswith(NOT_EXPORTED)}


def test_an_imported_store_equals_the_exported_one(filled: Store, elsewhere: Store):
    result = run_import(elsewhere, export(filled))
    assert (result.status, result.err) == (0, "")
    assert content(elsewhere) == content(filled)
    assert left_in_staging(elsewhere) == []
    assert mlenv("verify", "--store", elsewhere.root, "--full").status == 0
    assert [path.stat().st_nlink for path in (elsewhere.root / "envs/k1").rglob("*.py")] == [1] * 4
    listed = json.loads(mlenv("list", "--store", elsewhere.root, "--json").out)
    assert [(model["model"], model["proven"]) for model in listed["models"]] == [(f"Org/Name@{REVISION}", True)]


def test_the_same_content_is_the_same_stream(filled: Store, elsewhere: Store):
    data = export(filled)
    assert run_import(elsewhere, data).status == 0
    assert export(elsewhere) == data


def test_an_import_leaves_existing_objects_alone(filled: Store):
    data = export(filled)
    before = (filled.root / "envs/k1").stat().st_ino
    result = run_import(filled, data)
    assert result.status == 0, result.err
    assert "environment k1 is already there" in result.out
    assert f"model Org/Name@{REVISION} is already there" in result.out
    assert (filled.root / "envs/k1").stat().st_ino == before


def test_an_export_has_only_the_named_targets(filled: Store, elsewhere: Store):
    assert run_import(elsewhere, export(filled, MODEL)).status == 0
    assert (visible_environments(elsewhere), len(visible_snapshots(elsewhere))) == ([], 1)


@pytest.mark.parametrize("target", ["envs/none", f"models/Org/None@{REVISION}", "k1"])
def test_a_missing_target_cannot_be_exported(filled: Store, target: str):
    process = start("export", "--store", filled.root, "--output", "-", target)
    out, err = process.communicate()
    assert (process.returncode in (1, 2), out) == (True, b"")
    assert target.split("@")[0] in err.decode()


def test_a_damaged_file_is_not_exported(filled: Store):
    path = filled.hub / f"models--Org--Name/snapshots/{REVISION}/model.safetensors"
    path.write_bytes(b"?" + path.read_bytes()[1:])
    process = start("export", "--store", filled.root, "--output", "-")
    _, err = process.communicate()
    assert process.returncode == 1
    assert "model.safetensors differs from its manifest" in err.decode()


def test_an_import_requires_the_expected_name(filled: Store, elsewhere: Store):
    data = export(filled)
    result = run_import(elsewhere, data, "--expect", "0" * 64)
    assert (result.status, f"expected was {'0' * 64}" in result.err) == (1, True)
    assert visible_environments(elsewhere) == []


@pytest.mark.parametrize("keep", [0, 0.001, 0.3, 0.6, 0.8])
def test_a_bundle_that_ends_early_is_refused(filled: Store, elsewhere: Store, keep: float):
    data = export(filled)
    assert_refused(elsewhere, run_import(elsewhere, data[: int(len(data) * keep)]))


CHANGES = {
    "a byte of a file": lambda members: flip(members, "model.safetensors"),
    "a byte of a manifest": lambda members: flip(members, f"{REVISION}.json"),
    "a byte of the list": lambda members: flip(members, "files.tsv"),
    "a file less": lambda members: members.pop(),
    "a file more": lambda members: members.append((tarfile.TarInfo("envs/k1/more.py"), b"import this")),
    "another order": lambda members: members.append(members.pop(3)),
    "a link": lambda members: link(members[-1][0]),
    "not a bundle": lambda members: members.pop(0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_bundle_that_was_changed_is_refused(filled: Store, elsewhere: Store, change: str):
    members = unpack(export(filled))
    CHANGES[change](members)
    assert_refused(elsewhere, run_import(elsewhere, pack(*members)))


FORGED = {
    "outside the store": ("envs/k1/../../../escape", 0o644, "belongs to none of its environments and models"),
    "at an absolute place": ("/escape", 0o644, "belongs to none of its environments and models"),
    "of another environment": ("envs/k2/more.py", 0o644, "belongs to none of its environments and models"),
    "with a mode of its own": ("envs/k1/more.py", 0o4755, "the mode 4755"),
    "that no manifest lists": ("envs/k1/more.py", 0o644, "its manifests list other files than it holds"),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_bundle_is_refused(filled: Store, elsewhere: Store, case: str):
    """A file is added to the list, and the list, its hash and the file match."""
    path, mode, expected = FORGED[case]
    assert_refused(elsewhere, run_import(elsewhere, pack(*forge(unpack(export(filled)), path, mode))), expected)
    assert not (elsewhere.root.parent / "escape").exists()


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_import_leaves_nothing_visible_and_the_next_run_completes(filled: Store, elsewhere: Store, step: str):
    data = export(filled)
    assert run_import(elsewhere, data, MLENV_FAILPOINT=step).status == -signal.SIGKILL
    assert mlenv("verify", "--store", elsewhere.root, "--full").status == 0
    result = run_import(elsewhere, data)
    assert result.status == 0, result.err
    assert content(elsewhere) == content(filled)
    assert left_in_staging(elsewhere) == []


def test_an_import_that_does_not_fit_on_the_disk_is_refused(filled: Store, small_disk):
    root = small_disk(20_000_000)
    assert mlenv("init", "--store", root, "--owner", "0:0").status == 0
    result = run_import(Store(root), export(filled))
    assert (result.status, "not enough disk space for bundle" in result.err) == (1, True)
    assert left_in_staging(Store(root)) == []


def assert_refused(store: Store, result: Result, expected: str = "the bundle") -> None:
    assert result.status == 1
    assert expected in result.err or "this is not a bundle" in result.err
    assert "Traceback" not in result.err
    assert (visible_environments(store), visible_snapshots(store), left_in_staging(store)) == ([], [], [])
    assert list(store.manifests.rglob("*.json")) == []


Members = list[tuple[tarfile.TarInfo, bytes]]


def unpack(data: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(member, archive.extractfile(member).read()) for member in archive]


def flip(members: Members, name: str) -> None:
    [index] = [index for index, (member, _) in enumerate(members) if member.name.endswith(name)][:1]
    member, data = members[index]
    members[index] = (member, data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])


def link(member: tarfile.TarInfo) -> None:
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"


def forge(members: Members, path: str, mode: int) -> Members:
    (head, text), (table, lines), *rest = members
    new = tarfile.TarInfo(path)
    digest = sha256(b"import this")
    lines += f"{digest}\t11\t{mode:04o}\t{path}\n".encode()
    document = json.loads(text) | {"filesSha256": sha256(lines)}
    return [(head, json.dumps(document).encode()), (table, lines), *rest, (new, b"import this")]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
