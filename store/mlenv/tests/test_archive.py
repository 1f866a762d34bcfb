"""A model from a directory: a tar on standard input."""

from __future__ import annotations

import hashlib
import stat
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlenv.models.archive import is_left_out, revision
from mlenv.store.files import FileEntry
from mlenv.store.store import Store

from .archives import pack
from .run_mlenv import mlenv, start
from .store_contents import everything_below, left_in_staging, visible_snapshots

FILES = {"config.json": b"{}", "model.safetensors": b"w" * 5000, "1_Pooling/config.json": b"{}"}


def fetch(store: Store, data: bytes, commit: str, **environment: str):
    arguments = ("--store", store.root, "--repo", "local/demo", "--revision", commit, "--archive", "-")
    return mlenv("fetch", *arguments, stdin=data, **environment)


def test_the_files_become_a_snapshot(store: Store, archive_of):
    data, commit = archive_of(FILES)
    result = fetch(store, data, commit)
    assert result.status == 0, result.err
    root = store.hub / "models--local--demo/snapshots" / commit
    assert everything_below(root) == FILES
    assert all(stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644) for path in root.rglob("*"))
    assert (store.hub / "models--local--demo/refs/main").read_text() == commit
    assert mlenv("verify", "--store", store.root, "--full", f"models/local/demo@{commit}").status == 0
    assert fetch(store, b"", commit).status == 0


def test_modes_owners_and_hidden_files_of_the_checkout_do_not_matter(store: Store, archive_of):
    _, commit = archive_of({"config.json": b"{}"})
    private = tarfile.TarInfo("./config.json")
    private.mode, private.uid = 0o600, 12345
    hidden = [tarfile.TarInfo(name) for name in ("./.git/HEAD", ".DS_Store", "sub/__pycache__/a.pyc")]
    link = tarfile.TarInfo(".cache")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    data = pack((private, b"{}"), *((member, b"x") for member in hidden), (link, b""))
    assert fetch(store, data, commit).status == 0
    path = store.hub / "models--local--demo/snapshots" / commit / "config.json"
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) == (0o644, store.root.stat().st_uid)


def test_content_that_does_not_match_the_revision_is_refused(store: Store, archive_of):
    data, commit = archive_of(FILES)
    _, announced = archive_of(FILES | {"config.json": b"{ }"})
    result = fetch(store, data, announced)
    assert result.status == 1
    assert f"the archive for local/demo has revision {commit}, expected was {announced}" in result.err
    assert visible_snapshots(store) == []
    assert left_in_staging(store) == []


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("../escape", tarfile.REGTYPE, "lies outside the model"),
        ("/etc/escape", tarfile.REGTYPE, "lies outside the model"),
        ("sub/../../escape", tarfile.REGTYPE, "lies outside the model"),
        ("link", tarfile.SYMTYPE, "a link or special file"),
        ("hard", tarfile.LNKTYPE, "a link or special file"),
        ("pipe", tarfile.FIFOTYPE, "a link or special file"),
    ],
)
def test_members_that_do_not_belong_in_a_model_are_refused(store: Store, name: str, kind: bytes, expected: str):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "config.json"
    result = fetch(store, pack((member, b"")), "0" * 40)
    assert (result.status, expected in result.err) == (1, True)
    assert not (store.root.parent / "escape").exists()
    assert visible_snapshots(store) == []


@pytest.mark.parametrize("keep", [0, 100, 3000])
def test_an_archive_that_ends_early_is_refused(store: Store, archive_of, keep: int):
    data, commit = archive_of({"model.safetensors": b"w" * 5000})
    result = fetch(store, data[:keep], commit)
    assert result.status == 1
    assert "archive" in result.err
    assert visible_snapshots(store) == []


def test_the_archive_is_read_to_its_end(store: Store, archive_of):
    """The deployment pipes tar into the store job, and a writer killed by SIGPIPE would fail it."""
    data, commit = archive_of({"model.safetensors": b"w" * 2_000_000})
    for expected in ("is ready", "is already there"):
        process = start("fetch", "--store", store.root, "--repo", "local/demo", "--revision", commit, "--archive", "-")
        # More than the buffer of a pipe, also after the end of the archive.
        process.stdin.write(data + b"\0" * 1_000_000)
        out, err = process.communicate()
        assert (process.returncode, err) == (0, b"")
        assert expected in out.decode()


def test_an_archive_without_files_is_refused(store: Store):
    result = fetch(store, pack((tarfile.TarInfo(".hidden"), b"x")), "0" * 40)
    assert "holds no file of a model" in result.err


def test_a_file_that_does_not_fit_on_the_disk_is_refused(small_disk):
    root = small_disk(24_000_000)
    assert mlenv("init", "--store", root, "--owner", "0:0").status == 0
    result = fetch(Store(root), pack((tarfile.TarInfo("big"), b"w" * 17_000_000)), "0" * 40)
    assert result.status == 1
    assert "not enough disk space for big" in result.err
    assert left_in_staging(Store(root)) == []


def test_the_revision_is_what_sha256sum_and_sort_give():
    """A fixed value, because the deployment computes the same one in TypeScript."""
    listed = {"b.txt": b"b\n", "a/é": b""}
    entries = [FileEntry(path, len(data), 0o644, hashlib.sha256(data).hexdigest()) for path, data in listed.items()]
    assert revision(entries) == "89703b933aaf5880a2c2ffad07e1bfa54e496c3a"


@given(st.permutations([FileEntry(path, 1, 0o644, "0" * 64) for path in ("Z", "a", "a/b", "a-b", "é", "z")]))
def test_the_revision_does_not_depend_on_order(entries: list[FileEntry]):
    assert revision(entries) == revision(sorted(entries))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("config.json", False),
        ("a/.b/c", True),
        ("__pycache__/x", True),
        (".x", True),
        ("a.b/c", False),
        ("../x", False),
    ],
)
def test_hidden_files_and_caches_do_not_belong_to_a_model(path: str, expected: bool):
    assert is_left_out(path) is expected
