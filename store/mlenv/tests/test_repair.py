"""Repair in place: damaged and missing files are replaced, added ones removed, and nothing else is downloaded."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from mlenv.core import failpoints
from mlenv.environments.uv import Indexes
from mlenv.repair.repair import RepairRequest, repair
from mlenv.store.initialise import initialise
from mlenv.store.manifest import render
from mlenv.store.store import Store
from mlenv.store.verify import verify

from .fake_hub import FakeHub
from .run_mlenv import Result, mlenv
from .store_contents import everything_below, left_in_staging
from .wheels import Wheel, lock_of, make_wheel

SITE = "lib/python3.11/site-packages"
REVISION = "e5" * 20
OTHER = "f6" * 20
FILES = {"config.json": b'{"a": 1}', "model.safetensors": bytes(range(256)) * 50, "sub/vocab.txt": b"one\ntwo\n"}


def flip(path: Path, bit: int = 0) -> None:
    """Flip one bit in place, so under all hard links of the file."""
    with path.open("r+b") as stream:
        stream.seek(bit // 8)
        byte = stream.read(1)
        stream.seek(bit // 8)
        stream.write(bytes([byte[0] ^ 1 << bit % 8]))


@pytest.fixture
def base(store: Store, populate, alpha: Wheel, beta: Wheel) -> Path:
    """The environment k1; k2 shares alpha with it."""
    assert populate("k1", alpha, beta).status == 0
    assert populate("k2", alpha, make_wheel(beta.path.parent, "beta", "2.1")).status == 0
    return store.environment("k1")


@pytest.fixture
def run_repair(store: Store, wheelhouse: Path):
    """Runs `mlenv repair` with the wheelhouse; returns the report of a successful run, else the result."""

    wheelhouse.mkdir(exist_ok=True)

    def run(*targets: str, options: tuple = (), stdin: str | bytes = b"", **environment: str) -> Result | dict:
        arguments = ("--store", store.root, "--json", "--wheelhouse", wheelhouse, *options)
        result = mlenv("repair", *targets, *arguments, stdin=stdin, **environment)
        return result if result.status else json.loads(result.out.splitlines()[-1])

    return run


def intact(store: Store) -> bool:
    return mlenv("verify", "--store", store.root, "--full").status == 0


def test_damage_that_names_share_is_repaired_under_all_of_them(store: Store, base: Path, run_repair):
    before, other = everything_below(base), everything_below(store.environment("k2"))
    inode = base.stat().st_ino
    path = f"{SITE}/alpha/data.json"
    flip(base / path)
    report = run_repair("envs/k1")
    [target] = report["targets"]
    assert [item["path"] for item in target["found"]["damaged"]] == [path]
    assert target["brought"] == ["alpha==1.2"]
    cached, shared = target["also"]
    assert cached.startswith("cache/uv/archive-v0/")
    assert shared == f"envs/k2/{path}"
    assert (everything_below(base), everything_below(store.environment("k2"))) == (before, other)
    assert base.stat().st_ino == inode
    assert len({(store.root / name).stat().st_ino for name in (cached, shared, f"envs/k1/{path}")}) == 1
    assert left_in_staging(store) == []
    assert intact(store)


@pytest.mark.parametrize(
    "path",
    [
        f"{SITE}/alpha/data.json",
        f"{SITE}/alpha-1.2.dist-info/RECORD",
        f"{SITE}/alpha-1.2.dist-info/INSTALLER",
        f"{SITE}/alpha/__pycache__/__init__.cpython-311.pyc",
        "bin/alpha",
    ],
)
def test_a_missing_file_comes_from_the_caches(store: Store, base: Path, run_repair, path: str):
    before = everything_below(base)
    (base / path).unlink()
    report = run_repair("envs/k1")
    assert report["targets"][0]["found"]["missing"] == [path]
    assert report["targets"][0]["brought"] == []
    assert everything_below(base) == before
    assert (base / path).stat().st_mode & 0o777 == (0o755 if path.startswith("bin/") else 0o644)
    assert intact(store)


def test_byte_code_is_made_again_byte_by_byte(store: Store, populate, wheelhouse: Path, run_repair):
    # Two functions with equal sets: their byte code depends on which strings the process has interned before.
    sets = "".join(f"def f{number}(x):\n    return x in {{'left_{number % 2}', 'right'}}\n" for number in range(6))
    wheel = make_wheel(wheelhouse, "sets", files={"sets/one.py": sets, "sets/two.py": "ONE = 1\n" + sets})
    assert populate("k1", wheel).status == 0
    base = store.environment("k1")
    before = everything_below(base)
    for name in ("one", "two"):
        flip(base / SITE / f"sets/__pycache__/{name}.cpython-311.pyc", 200)
    report = run_repair()
    assert (len(report["targets"][0]["also"]), report["targets"][0]["brought"]) == (2, [])
    assert everything_below(base) == before
    assert intact(store)


def test_a_directory_that_became_a_file_is_restored(store: Store, base: Path, run_repair):
    before = everything_below(base)
    for path in sorted((base / SITE / "alpha").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (base / SITE / "alpha").rmdir()
    (base / SITE / "alpha").write_text("a file now")
    run_repair("envs/k1")
    assert everything_below(base) == before
    assert intact(store)


def test_added_files_are_removed_and_modes_restored(store: Store, base: Path, run_repair):
    before = everything_below(base)
    (base / SITE / "new/deep").mkdir(parents=True)
    (base / SITE / "new/deep/extra.py").write_text("")
    (base / SITE / "beta.py").unlink()
    (base / SITE / "beta.py").symlink_to("/etc/passwd")
    (base / "bin/alpha").chmod(0o600)
    (base / SITE / "alpha/deep").chmod(0o700)
    (base / ".mlenv/odd").write_text("")
    report = run_repair("envs/k1")
    assert report["targets"][0]["brought"] == []
    assert everything_below(base) == before
    assert not (base / SITE / "new").exists()
    assert Path("/etc/passwd").exists()
    assert intact(store)


def test_only_the_damaged_one_of_two_packages_is_downloaded(store: Store, base: Path, run_repair, alpha: Wheel):
    flip(base / SITE / "alpha/__init__.py")
    (base / SITE / "beta.py").unlink()
    report = run_repair("envs/k1")
    assert report["targets"][0]["brought"] == ["alpha==1.2"]
    assert intact(store)


def test_what_cannot_be_downloaded_is_reported(store: Store, base: Path, run_repair, alpha: Wheel):
    flip(base / SITE / "alpha/data.json")
    (base / "bin/extra").write_text("")
    away = alpha.path.rename(alpha.path.with_suffix(".away"))
    failed = run_repair("envs/k1")
    assert failed.status == 3
    assert "downloading packages of environment k1 again failed" in failed.err
    assert not (base / "bin/extra").exists()
    assert left_in_staging(store) == []
    away.rename(alpha.path)
    run_repair()
    assert intact(store)


@pytest.mark.parametrize(
    "name", ["manifest.json", "files.tsv", "lock.txt", "copies/manifest.json", "copies/files.tsv", "copies/lock.txt"]
)
def test_metadata_files_repair_each_other(store: Store, base: Path, run_repair, name: str):
    before = everything_below(base)
    path = base / ".mlenv" / name
    flip(path, 77)
    flip(base / SITE / "alpha/data.json")
    run_repair("envs/k1")
    assert everything_below(base) == before
    path.unlink()
    assert not intact(store)
    run_repair("envs/k1")
    assert everything_below(base) == before
    assert intact(store)


def test_metadata_of_which_both_copies_are_lost_cannot_be_repaired(store: Store, base: Path, run_repair):
    flip(base / ".mlenv/manifest.json", 77)
    flip(base / ".mlenv/copies/manifest.json", 78)
    failed = run_repair()
    assert failed.status == 3
    assert "envs/k1 cannot be repaired: " in failed.err
    assert "Remove it from the store" in failed.err


def test_an_earlier_environment_needs_its_lock_file(store: Store, base: Path, run_repair, alpha: Wheel, beta: Wheel):
    metadata = base / ".mlenv"
    for path in (metadata / "lock.txt", *(metadata / "copies").iterdir()):
        path.unlink()
    (metadata / "copies").rmdir()
    summary = json.loads((metadata / "manifest.json").read_text())
    del summary["seal"]
    (metadata / "manifest.json").write_text(render(summary))
    assert intact(store)
    before = everything_below(base)
    flip(base / SITE / "alpha/data.json")
    failed = run_repair("envs/k1")
    assert (failed.status, "does not keep its lock" in failed.err) == (3, True)
    failed = run_repair("envs/k1", options=("--lock", "-"), stdin=lock_of(beta))
    assert (failed.status, "does not keep its lock" in failed.err) == (3, True)
    run_repair("envs/k1", options=("--lock", "-"), stdin=lock_of(alpha, beta))
    assert everything_below(base) == before
    flip(metadata / "files.tsv", 9)
    run_repair("envs/k1")
    assert everything_below(base) == before


@pytest.fixture
def snapshot(store: Store, hub: FakeHub) -> Path:
    """Org/Name at REVISION; OTHER shares its weights."""
    for revision, files in ((REVISION, FILES), (OTHER, FILES | {"config.json": b'{"a": 2}'})):
        hub.add("Org/Name", revision, files)
        arguments = ("--store", store.root, "--repo", "Org/Name", "--revision", revision, "--endpoint", hub.endpoint)
        assert mlenv("fetch", *arguments).status == 0
    hub.requests.clear()
    return store.hub / "models--Org--Name/snapshots" / REVISION


MODEL = f"models/Org/Name@{REVISION}"


def test_only_the_damaged_files_of_a_snapshot_are_fetched(store: Store, snapshot: Path, hub: FakeHub, run_repair):
    original = store.manifests / f"models--Org--Name/{REVISION}.json"
    before = original.read_bytes()
    flip(snapshot / "model.safetensors", 8 * 3000)
    report = run_repair(MODEL)
    [target] = report["targets"]
    assert target["brought"] == ["model.safetensors"]
    assert target["also"] == [f"models/huggingface/hub/models--Org--Name/snapshots/{OTHER}/model.safetensors"]
    assert [request.path for request in hub.requests_to("/resolve/")] == [
        f"/Org/Name/resolve/{REVISION}/model.safetensors"
    ]
    assert everything_below(snapshot) == FILES
    assert original.read_bytes() == before
    assert intact(store)


def test_a_missing_file_of_a_snapshot_comes_from_another_one(store: Store, snapshot: Path, hub: FakeHub, run_repair):
    (snapshot / "model.safetensors").unlink()
    (snapshot / "extra.bin").write_bytes(b"x")
    (snapshot / "config.json").chmod(0o600)
    assert run_repair(MODEL)["targets"][0]["brought"] == []
    assert hub.requests == []
    assert everything_below(snapshot) == FILES
    assert intact(store)


def test_metadata_and_main_ref_of_a_snapshot_are_repaired(store: Store, snapshot: Path, run_repair):
    for path in (
        store.manifests / f"models--Org--Name/{REVISION}.json",
        store.manifests / f"models--Org--Name/{REVISION}.copy.json",
        store.hub / "models--Org--Name/refs/main",
    ):
        before = path.read_bytes()
        flip(path, 99)
        assert not intact(store)
        run_repair(MODEL)
        assert path.read_bytes() == before or path.read_text() == REVISION
        assert intact(store)


def test_a_given_endpoint_replaces_the_one_of_the_manifest(store: Store, snapshot: Path, hub: FakeHub, run_repair):
    with FakeHub() as mirror:
        mirror.add("Org/Name", REVISION, FILES)
        flip(snapshot / "config.json")
        run_repair(MODEL, options=("--endpoint", mirror.endpoint))
        assert len(mirror.requests_to("/resolve/")) == 1
    assert hub.requests == []
    assert intact(store)


def test_a_model_from_a_directory_needs_its_files(store: Store, archive_of, run_repair):
    data, commit = archive_of(FILES)
    arguments = ("--store", store.root, "--repo", "local/demo", "--revision", commit, "--archive", "-")
    assert mlenv("fetch", *arguments, stdin=data).status == 0
    root = store.hub / "models--local--demo/snapshots" / commit
    flip(root / "config.json")
    failed = run_repair()
    assert (failed.status, "was made from a directory: give its files as a tar" in failed.err) == (3, True)
    wrong, _ = archive_of(FILES | {"config.json": b'{"a": 9}'})
    failed = run_repair(options=("--archive", "-"), stdin=wrong)
    assert failed.status == 3
    assert "1 file cannot be made again as the manifest lists them: config.json" in failed.err
    run_repair(options=("--archive", "-"), stdin=data)
    assert everything_below(root) == FILES
    assert intact(store)


def test_verify_repairs_when_asked(store: Store, base: Path, wheelhouse: Path):
    (base / SITE / "beta.py").unlink()
    result = mlenv("verify", "--store", store.root, "--repair", "--wheelhouse", wheelhouse)
    assert (result.status, result.err) == (0, "")
    assert "envs/k1: repaired in " in result.out
    assert intact(store)


def steps() -> list[str]:
    return [step for step in failpoints.STEPS if step.startswith("repair.") and step != "repair.fetched"]


@pytest.mark.parametrize("step", steps())
def test_a_killed_repair_of_an_environment_is_completed_by_the_next_one(
    store: Store, base: Path, run_repair, step: str
):
    before, other = everything_below(base), everything_below(store.environment("k2"))
    flip(base / SITE / "alpha/data.json")
    flip(base / SITE / "alpha/__pycache__/__init__.cpython-311.pyc", 300)
    (base / "bin/alpha").unlink()
    (base / "bin/extra").write_text("")
    flip(base / ".mlenv/files.tsv", 50)
    killed = run_repair("envs/k1", MLENV_FAILPOINT=step)
    assert killed.status == -signal.SIGKILL
    run_repair("envs/k1")
    assert (everything_below(base), everything_below(store.environment("k2"))) == (before, other)
    assert left_in_staging(store) == []
    assert intact(store)


@pytest.mark.parametrize(
    "step", ["repair.papers", "repair.removed", "repair.fetched", "repair.synced", "repair.switched"]
)
def test_a_killed_repair_of_a_snapshot_is_completed_by_the_next_one(
    store: Store, snapshot: Path, run_repair, step: str
):
    flip(snapshot / "model.safetensors")
    flip(snapshot / "config.json")
    (snapshot / "extra").write_bytes(b"")
    assert run_repair(MODEL, MLENV_FAILPOINT=step).status == -signal.SIGKILL
    run_repair(MODEL)
    assert everything_below(snapshot) == FILES
    assert intact(store)


FLIPS = 208
AT_ONCE = 26


@pytest.mark.timeout(600)
def test_any_flipped_bit_is_found_and_repaired(store: Store, base: Path, snapshot: Path, wheelhouse: Path):
    """In any file: packages, byte code, weights, manifests, the lock file, refs/main."""
    seed = int(os.environ.get("MLENV_TEST_SEED", "20250101"))
    chance = random.Random(seed)
    metadata = [store.manifests / f"models--Org--Name/{REVISION}{end}.json" for end in ("", ".copy")]
    reference = store.hub / "models--Org--Name/refs/main"
    reference.write_text(REVISION)
    files = [path for root in (base, snapshot) for path in sorted(root.rglob("*")) if path.is_file()]
    files = [path for path in [*files, *metadata, reference] if path.stat().st_size]
    before = {path: path.read_bytes() for path in files}
    request = RepairRequest(indexes=Indexes(wheelhouse=wheelhouse))
    for _ in range(FLIPS // AT_ONCE):
        chosen: list[Path] = []
        for _ in range(AT_ONCE):
            path = chance.choice(files)
            bit = chance.randrange(len(before[path]) * 8)
            target = "envs/k1" if path.is_relative_to(base) else MODEL
            flip(path, bit)
            assert not verify(store, target, full=True).ok, (seed, path, bit)
            flip(path, bit)
            chosen.append(path)
        assert verify(store, "envs/k1", full=True).ok
        # All of them together, but never both copies of one file.
        original = next((path for path in chosen if ".mlenv" in path.parts), None)
        for path in set(chosen):
            if path == original or not (".mlenv" in path.parts or path in metadata):
                flip(path, chance.randrange(len(before[path]) * 8))
        for target in ("envs/k1", MODEL):
            repair(store, target, request)
            assert verify(store, target, full=True).ok, (seed, target)
        assert {path: path.read_bytes() for path in files} == before
    assert hashlib.sha256(before[metadata[0]]).digest() == hashlib.sha256(metadata[0].read_bytes()).digest()
    assert intact(store)


def test_a_repair_on_a_full_disk_changes_nothing(small_disk, wheelhouse: Path):
    disk = small_disk(24_000_000)
    store = initialise(disk / "store", [], (0, 0))
    heavy = make_wheel(wheelhouse, "heavy", files={"heavy/__init__.py": "", "heavy/weights.bin": b"\0" * 3_000_000})
    arguments = ("--store", store.root, "--key", "k1", "--lock", "-", "--wheelhouse", wheelhouse)
    skip = {"MLENV_TEST_SKIP_PREFLIGHT": "1"}
    assert mlenv("populate", *arguments, stdin=lock_of(heavy), **skip).status == 0
    base = store.environment("k1")
    before = everything_below(base)
    flip(base / SITE / "heavy/weights.bin", 99)
    damaged = everything_below(base)
    (disk / "filling").write_bytes(b"\0" * (shutil.disk_usage(disk).free - 2_000_000))
    arguments = ("repair", "--store", store.root, "--wheelhouse", wheelhouse)
    refused = mlenv(*arguments)
    assert (refused.status, "not enough disk space for the repair of envs/k1" in refused.err) == (3, True)
    full = mlenv(*arguments, **skip)
    assert full.status == 3
    assert "disk is full" in full.err.lower()
    assert everything_below(base) == damaged
    assert left_in_staging(store) == []
    (disk / "filling").unlink()
    assert mlenv(*arguments, **skip).status == 0
    assert everything_below(base) == before
