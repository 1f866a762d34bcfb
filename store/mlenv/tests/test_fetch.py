"""Model snapshots from a hub: which files are downloaded, what is checked, what the errors say."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mlenv.store.store import Store

from .fake_hub import FakeHub
from .run_mlenv import Result, mlenv
from .store_contents import everything_below, left_in_staging, visible_snapshots
from .tampering import body, redirect, status

REVISION = "c3" * 20
OTHER = "d4" * 20
WEIGHTS = bytes(range(256)) * 8000
LARGE = ("--allow", "*.safetensors")
FILES = {"config.json": b'{"a": 1}', "model.safetensors": WEIGHTS, "sub dir/vocab.txt": b"one\ntwo\n", "empty.txt": b""}


@pytest.fixture
def fetch(store: Store, hub: FakeHub):
    """Runs `mlenv fetch` for Org/Name at REVISION from the hub."""

    def run(*options: str, revision: str = REVISION, repo: str = "Org/Name", **environment: str) -> Result:
        arguments = ("--store", store.root, "--repo", repo, "--revision", revision, "--endpoint", hub.endpoint)
        return mlenv("fetch", *arguments, *options, **environment)

    return run


@pytest.fixture(autouse=True)
def model(hub: FakeHub) -> None:
    hub.add("Org/Name", REVISION, FILES)


def snapshot(store: Store, revision: str = REVISION) -> Path:
    return store.hub / "models--Org--Name/snapshots" / revision


def resolve(path: str) -> str:
    return f"/Org/Name/resolve/{REVISION}/{path}"


def test_a_snapshot_has_the_layout_that_huggingface_hub_reads(store: Store, fetch):
    result = fetch()
    assert (result.status, result.err) == (0, "")
    assert everything_below(snapshot(store)) == FILES
    assert (store.hub / "models--Org--Name/refs/main").read_text() == REVISION
    for path in [snapshot(store), *snapshot(store).rglob("*")]:
        assert stat.S_IMODE(path.lstat().st_mode) == (0o755 if path.is_dir() else 0o644)
        assert not path.is_symlink()
    assert left_in_staging(store) == []
    assert result.out.splitlines()[-1].startswith("model Org/Name@c3c3")


def test_huggingface_hub_finds_it_without_network(store: Store, fetch, hub: FakeHub):
    pytest.importorskip("huggingface_hub")
    assert fetch().status == 0
    script = (
        "import huggingface_hub as h, sys\n"
        "print(h.snapshot_download('Org/Name', revision=sys.argv[1]))\n"
        "print(h.snapshot_download('Org/Name'))\n"
        "print(h.hf_hub_download('Org/Name', 'sub dir/vocab.txt'))\n"
    )
    environment = os.environ | {"HF_HOME": str(store.hub.parent), "HF_HUB_OFFLINE": "1"}
    result = subprocess.run([sys.executable, "-c", script, REVISION], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    expected = snapshot(store)
    assert result.stdout.splitlines() == [str(expected), str(expected), str(expected / "sub dir/vocab.txt")]


def test_the_manifest_states_the_source(store: Store, fetch, hub: FakeHub):
    hub.models["Org/Name"][REVISION] = FILES | {"model.gguf": b"x"}
    assert fetch().status == 0
    manifest = json.loads((store.manifests / f"models--Org--Name/{REVISION}.json").read_text())
    assert (manifest["kind"], manifest["repo"], manifest["revision"]) == ("model", "Org/Name", REVISION)
    assert manifest["source"] == {"endpoint": hub.endpoint, "left": ["model.gguf"]}
    assert manifest["files"] == [
        {"path": path, "size": len(data), "mode": "0644", "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in sorted(FILES.items())
    ]


def test_a_second_fetch_sends_no_request(store: Store, fetch, hub: FakeHub):
    assert fetch().status == 0
    hub.requests.clear()
    again = fetch()
    assert (again.status, hub.requests) == (0, [])
    assert again.out.startswith(f"model Org/Name@{REVISION} is already there: 4 files")


def test_a_listing_in_pages_is_read_to_its_end(store: Store, fetch, hub: FakeHub):
    hub.page = 1
    assert fetch().status == 0
    assert len(hub.requests_to("/tree/")) == len(FILES)
    assert everything_below(snapshot(store)) == FILES


def test_patterns_select_the_files(store: Store, fetch):
    assert fetch("--allow", "*.json", "*.txt", "--ignore", "empty*").status == 0
    assert sorted(everything_below(snapshot(store))) == ["config.json", "sub dir/vocab.txt"]


def test_patterns_that_match_nothing_are_refused(store: Store, fetch):
    result = fetch("--allow", "*.onnx")
    assert result.status == 1
    assert f"the patterns select no file of Org/Name@{REVISION}; it has: config.json, empty.txt" in result.err
    assert visible_snapshots(store) == []


def test_files_of_another_commit_are_linked_not_fetched(store: Store, fetch, hub: FakeHub):
    hub.add("Org/Name", OTHER, FILES | {"config.json": b'{"a": 2}'})
    assert fetch().status == 0
    hub.requests.clear()
    assert fetch(revision=OTHER).status == 0
    assert [request.path for request in hub.requests_to("/resolve/")] == [f"/Org/Name/resolve/{OTHER}/config.json"]
    for name in ("model.safetensors", "sub dir/vocab.txt"):
        assert (snapshot(store) / name).stat().st_ino == (snapshot(store, OTHER) / name).stat().st_ino
    assert (snapshot(store, OTHER) / "config.json").read_bytes() == b'{"a": 2}'
    assert (store.hub / "models--Org--Name/refs/main").read_text() == OTHER
    assert mlenv("verify", "--store", store.root, "--full").status == 0


def test_a_damaged_file_of_another_commit_is_not_linked(store: Store, fetch, hub: FakeHub):
    hub.add("Org/Name", OTHER, FILES)
    assert fetch().status == 0
    (snapshot(store) / "model.safetensors").write_bytes(b"?" + WEIGHTS[1:])
    assert fetch(revision=OTHER).status == 0
    assert everything_below(snapshot(store, OTHER)) == FILES


@pytest.mark.parametrize(
    ("path", "wrong", "difference"),
    [
        ("model.safetensors", b"?" + WEIGHTS[1:], "sha256 "),
        ("config.json", b'{"a": 2}', "git blob "),
        ("config.json", b'{"a": 1}}', "9 bytes, listed 8"),
    ],
)
def test_wrong_bytes_never_become_visible(store: Store, fetch, hub: FakeHub, path: str, wrong: bytes, difference: str):
    hub.tamper(resolve(path), body(wrong))
    result = fetch()
    assert result.status == 1
    assert f"{path} is not what the hub lists: {difference}" in result.err
    assert "Nothing of the model is visible in the store." in result.err
    assert visible_snapshots(store) == []
    assert fetch().status == 0
    assert everything_below(snapshot(store)) == FILES


def test_the_next_run_resumes_an_interrupted_one(store: Store, fetch, hub: FakeHub):
    assert fetch("--part-size", "500000", "--connections", "1", *LARGE, MLENV_FAILPOINT="fetch.recorded").status < 0
    hub.requests.clear()
    result = fetch("--part-size", "500000")
    assert result.status == 0, result.err
    assert "model.safetensors: an earlier run fetched 500 kB of 2.05 MB" in result.out
    ranges = {request.range for request in hub.requests_to("/stored/")} - {None}
    assert ranges == {"bytes=500000-999999", "bytes=1000000-1499999", "bytes=1500000-1999999", "bytes=2000000-2047999"}
    assert everything_below(snapshot(store)) == FILES


def test_parts_of_another_size_are_not_mixed(store: Store, fetch, hub: FakeHub):
    assert fetch("--part-size", "500000", *LARGE, MLENV_FAILPOINT="fetch.recorded").status < 0
    assert fetch("--part-size", "400000").status == 0
    assert everything_below(snapshot(store)) == FILES
    assert left_in_staging(store) == []


def test_complete_files_of_an_interrupted_run_are_checked_again(store: Store, fetch, hub: FakeHub):
    assert fetch(MLENV_FAILPOINT="fetch.complete").status < 0
    for path in ("config.json", "model.safetensors"):
        [whole] = store.staging.glob(f"model-*/snapshot/{path}")
        whole.write_bytes(whole.read_bytes()[:-1] + b"?")
    hub.requests.clear()
    assert fetch().status == 0
    assert everything_below(snapshot(store)) == FILES
    assert {request.path.split("/")[-1] for request in hub.requests_to("/resolve/")} == {
        "config.json",
        "model.safetensors",
    }


def append(more: bytes):
    return lambda path: path.write_bytes(path.read_bytes() + more)


DAMAGE = {
    "a part has other bytes": ("", lambda path: path.write_bytes(b"?" + path.read_bytes()[1:])),
    "a part was never written": ("", lambda path: path.write_bytes(bytes(len(path.read_bytes())))),
    "the file is too short": ("", lambda path: path.write_bytes(b"?" * 777_777)),
    "the file is missing": ("", Path.unlink),
    "a log entry without its part": (".journal", append(b"7 00000000\n")),
    "a log entry for a part that does not exist": (".journal", append(b"7000 00000000\n")),
    "half a log entry": (".journal", append(b"7 1")),
    "a log that ends in zeros": (".journal", append(bytes(100))),
    "an empty log": (".journal", lambda path: path.write_bytes(b"")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_a_power_cut_may_damage_is_downloaded_again(store: Store, fetch, damage: str):
    options = ("--part-size", "100000", "--connections", "1")
    assert fetch(*options, *LARGE, MLENV_FAILPOINT="fetch.recorded").status < 0
    [log] = store.staging.glob("model-*/parts/*.journal")
    suffix, change = DAMAGE[damage]
    change(log.with_name(log.stem + suffix))
    result = fetch(*options)
    assert result.status == 0, result.err
    assert everything_below(snapshot(store)) == FILES


@pytest.mark.parametrize("path", [f"/api/models/Org/Name/tree/{REVISION}", resolve("config.json")])
@pytest.mark.parametrize("code", [429, 500, 503])
def test_requests_to_a_busy_hub_are_retried(store: Store, fetch, hub: FakeHub, path: str, code: int):
    hub.tamper(path, status(code, retry_after="0"), status(code, retry_after="0"))
    result = fetch()
    assert result.status == 0, result.err
    assert result.out.count("trying again in 0 s") == 2
    assert everything_below(snapshot(store)) == FILES


def test_a_hub_that_stays_busy_is_given_up(store: Store, fetch, hub: FakeHub):
    hub.tamper(resolve("config.json"), *[status(503, retry_after="0")] * 6)
    result = fetch()
    assert result.status == 1
    assert "gave up on the hub" in result.err
    assert "HTTP 503" in result.err
    assert "archon:hubEndpoint" in result.err
    assert visible_snapshots(store) == []


def test_redirects_are_followed_without_the_token(store: Store, fetch, hub: FakeHub):
    hub.token = "hush"
    result = fetch(HF_TOKEN="hush")
    assert result.status == 0, result.err
    assert {request.authorization for request in hub.requests_to("/stored/")} == {None}
    assert {request.authorization for request in hub.requests if "/stored/" not in request.path} == {"Bearer hush"}
    assert "hush" not in result.out + result.err
    assert everything_below(snapshot(store)) == FILES


def test_a_redirect_within_the_hub_keeps_the_token(store: Store, fetch, hub: FakeHub):
    hub.token = "hush"
    hub.tamper(f"/api/models/Org/Name/tree/{REVISION}", redirect(f"/api/models/Org/New/tree/{REVISION}?recursive=true"))
    hub.models["Org/New"] = hub.models["Org/Name"]
    assert fetch(HF_TOKEN="hush").status == 0
    assert {request.authorization for request in hub.requests_to("/Org/New/")} == {"Bearer hush"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (status(401, x_error_code="RepoNotFound"), "does not exist, or is private, and no token was given (HTTP 401)"),
        (status(403, x_error_code="GatedRepo"), "is gated (HTTP 403): accept its licence at http"),
        (status(403), "is gated (HTTP 403)"),
        (status(404, x_error_code="RepoNotFound"), "there is no model Org/Name at http"),
        (status(404, x_error_code="RevisionNotFound"), f"Org/Name has no commit {REVISION}"),
        (status(404), f"Org/Name has no commit {REVISION}"),
        (body(b"<html>"), "did not answer with a file listing"),
        (body(b'[{"type": "file"}]'), "did not answer with a file listing"),
        (body(b'[{"type":"file","path":"../x","size":1,"oid":"0"}]'), "'../x', which is not a path inside a model"),
        (body(b'[{"type":"file","path":"/x","size":1,"oid":"0"}]'), "'/x', which is not a path inside a model"),
        (body(b'[{"type":"file","path":"x","size":1}]'), "the hub lists no hash for x"),
        (body(b"[]"), "it has: no file at all"),
    ],
)
def test_errors_of_the_listing_are_reported(store: Store, fetch, hub: FakeHub, answer, expected: str):
    hub.tamper(f"/api/models/Org/Name/tree/{REVISION}", answer)
    result = fetch()
    assert result.status == 1
    assert expected in result.err
    assert visible_snapshots(store) == []


def test_a_rejected_token_differs_from_a_missing_one(fetch, hub: FakeHub):
    hub.token = "right"
    result = fetch(HF_TOKEN="wrong")
    assert "the token that was given may not read it (HTTP 401)" in result.err
    assert "archon:hubToken" in result.err


def test_an_unknown_model_differs_from_an_unknown_commit(fetch):
    assert "there is no model Org/Nobody" in fetch(repo="Org/Nobody").err
    result = fetch(revision="0" * 40)
    assert (result.status, f"has no commit {'0' * 40}" in result.err) == (1, True)


def test_names_are_checked_before_any_request(fetch, hub: FakeHub):
    result = fetch(repo="no-slash", revision="main")
    assert result.status == 2
    assert "repository 'no-slash': expected Org/Name" in result.err
    assert "revision 'main': expected a full commit of 40 hex digits" in result.err
    assert hub.requests == []


def test_too_little_space_is_reported_before_the_first_file(small_disk, hub: FakeHub):
    root = small_disk(17_000_000)
    assert mlenv("init", "--store", root, "--owner", "0:0").status == 0
    arguments = ("--store", root, "--repo", "Org/Name", "--revision", REVISION, "--endpoint", hub.endpoint)
    result = mlenv("fetch", *arguments)
    assert result.status == 1
    assert f"not enough disk space for model Org/Name@{REVISION}" in result.err
    assert hub.requests_to("/resolve/") == []
    assert left_in_staging(Store(root)) == []


def test_a_disk_that_fills_up_during_the_download_is_freed(small_disk, hub: FakeHub):
    root = small_disk(1_000_000)
    assert mlenv("init", "--store", root, "--owner", "0:0").status == 0
    arguments = ("--store", root, "--repo", "Org/Name", "--revision", REVISION, "--endpoint", hub.endpoint)
    result = mlenv("fetch", *arguments, MLENV_TEST_SKIP_PREFLIGHT="1")
    assert result.status == 1
    assert "the disk is full" in result.err
    assert left_in_staging(Store(root)) == []


def test_a_snapshot_that_was_changed_in_the_store_is_reported(store: Store, fetch):
    assert fetch().status == 0
    (snapshot(store) / "config.json").write_bytes(b"{}")
    result = fetch()
    assert result.status == 1
    assert "damaged: config.json (2 bytes instead of 8)" in result.err


@pytest.mark.parametrize("branch", [(), ("--revision", "main"), ("--revision", OTHER)])
def test_a_branch_resolves_to_its_commit_and_files(hub: FakeHub, branch: tuple[str, ...]):
    hub.add("Org/Name", OTHER, FILES | {"pytorch_model.bin": b"x", "model.gguf": b"y"})
    result = mlenv("resolve", "--repo", "Org/Name", "--endpoint", hub.endpoint, *branch)
    assert result.status == 0, result.err
    assert json.loads(result.out) == {
        "repo": "Org/Name",
        "revision": OTHER,
        "files": [{"path": path, "size": len(FILES[path])} for path in sorted(FILES)],
        "left": ["model.gguf", "pytorch_model.bin"],
        "code": [],
        "bytes": sum(map(len, FILES.values())),
    }


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, "Org/Name has no branch, tag or commit later"),
        (body(b'{"sha": "main"}'), "did not answer with the commit of Org/Name@later"),
        (body(b"<html>"), "did not answer with the commit of Org/Name@later"),
        (status(403, x_error_code="GatedRepo"), "accept its licence at "),
    ],
)
def test_an_unknown_branch_is_reported(hub: FakeHub, answer, expected: str):
    if answer:
        hub.tamper("/api/models/Org/Name/revision/later", answer)
    result = mlenv("resolve", "--repo", "Org/Name", "--revision", "later", "--endpoint", hub.endpoint)
    assert (result.status, result.out) == (1, "")
    assert expected in result.err
