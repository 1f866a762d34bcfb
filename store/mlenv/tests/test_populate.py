"""Populating an environment. For errors see test_populate_errors.py, for killed runs test_power_cuts.py."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import marshal
import os
import re
import stat
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mlenv.environments.uv import BASE_PYTHON
from mlenv.store import manifest
from mlenv.store.store import Store

from .run_mlenv import mlenv
from .store_contents import left_in_staging, visible_environments
from .wheels import Wheel, lock_of, make_wheel

SITE = "lib/python3.11/site-packages"


def test_an_environment_is_a_user_base_from_which_python_imports(store: Store, populate, alpha: Wheel, beta: Wheel):
    result = populate("k1", alpha, beta, imports=("alpha.deep.table", "beta"))
    assert (result.status, result.err) == (0, "")
    base = store.environment("k1")
    program = "import alpha, alpha.deep.table as t; print(alpha.__file__, t.ROWS)"
    seen = subprocess.run(
        [BASE_PYTHON, "-c", program], env={"PYTHONUSERBASE": str(base)}, capture_output=True, text=True, check=True
    )
    assert seen.stdout.split() == [f"{base}/{SITE}/alpha/__init__.py", "3"]
    launcher = subprocess.run(
        [base / "bin/alpha"], env={"PYTHONUSERBASE": str(base)}, capture_output=True, text=True, check=True
    )
    assert launcher.stdout == "alpha runs\n"
    assert left_in_staging(store) == []


def test_progress_is_one_short_line_a_message(populate, alpha: Wheel, beta: Wheel):
    result = populate("k1", alpha, beta, imports=("alpha",))
    assert "\r" not in result.out
    assert all(0 < len(line) < 8192 for line in result.out.splitlines())
    assert result.out.splitlines()[-1].startswith("environment k1 is ready: 2 packages, ")
    assert "imported alpha 1.2 in " in result.out


def test_the_manifest_lists_every_file_with_its_hash(store: Store, populate, alpha: Wheel, beta: Wheel):
    assert populate("k1", alpha, beta, imports=("beta",)).status == 0
    base = store.environment("k1")
    table = (base / ".mlenv/files.tsv").read_text()
    listed = {}
    for line in table.splitlines():
        digest, size, mode, path = line.split("\t")
        listed[path] = (digest, int(size), mode)
    present = {}
    for path in base.rglob("*"):
        name = path.relative_to(base).as_posix()
        if path.is_file() and not name.startswith(".mlenv/"):
            data = path.read_bytes()
            present[name] = (hashlib.sha256(data).hexdigest(), len(data), f"{stat.S_IMODE(path.stat().st_mode):04o}")
    assert listed == present
    summary = json.loads((base / ".mlenv/manifest.json").read_text())
    assert summary["filesSha256"] == hashlib.sha256(table.encode()).hexdigest()
    assert (summary["format"], summary["kind"], summary["key"], summary["python"]["tag"]) == (
        1,
        "environment",
        "k1",
        "cp311",
    )
    assert summary["lockSha256"] == hashlib.sha256(lock_of(alpha, beta).encode()).hexdigest()
    assert [(item["name"], item["version"]) for item in summary["packages"]] == [("alpha", "1.2"), ("beta", "2.0")]
    assert [(item["module"], item["version"]) for item in summary["imports"]] == [("beta", "2.0")]
    assert (summary["files"], summary["bytes"]) == (len(present), sum(size for _, size, _ in present.values()))


def test_every_user_can_read_it_but_only_root_can_write(store: Store, populate, alpha: Wheel, beta: Wheel):
    assert populate("k1", alpha, beta).status == 0
    base = store.environment("k1")
    for path in [base, *base.rglob("*")]:
        mode = stat.S_IMODE(path.lstat().st_mode)
        executable = path.is_dir() or path.parent.name == "bin"
        assert (path.name, oct(mode)) == (path.name, oct(0o755 if executable else 0o644))
        assert path.lstat().st_uid == os.getuid()
    assert not (base / ".lock").exists()


def test_byte_code_is_unchecked_and_names_the_mount(store: Store, populate, alpha: Wheel, beta: Wheel):
    assert populate("k1", alpha, beta).status == 0
    base = store.environment("k1")
    sources = sorted(base.rglob("*.py"))
    assert len(sources) == 4
    for source in sources:
        data = Path(importlib.util.cache_from_source(str(source))).read_bytes()
        assert int.from_bytes(data[4:8], "little") == 0b01
        code = marshal.loads(data[16:])
        assert code.co_filename == f"/root/.local/{source.relative_to(base)}"


def test_a_source_that_does_not_compile_is_left_alone(store: Store, populate, wheelhouse: Path):
    odd = make_wheel(wheelhouse, "odd", files={"odd/__init__.py": "", "odd/template.py": "class {{ name }}:\n"})
    result = populate("k1", odd, imports=("odd",))
    assert result.status == 0, result.err
    assert "byte code: 1 compiled, 0 from the cache, 1 source refused" in result.out
    assert not list(store.environment("k1").rglob("template*.pyc"))


def test_files_are_links_into_the_wheel_cache(store: Store, populate, alpha: Wheel, beta: Wheel):
    assert populate("k1", alpha, beta).status == 0
    cached = {path.stat().st_ino for path in store.uv_cache.rglob("*.py")}
    assert {path.stat().st_ino for path in store.environment("k1").rglob("*.py")} <= cached


def test_a_second_populate_makes_nothing_again(store: Store, populate, alpha: Wheel, beta: Wheel):
    lock = lock_of(alpha, beta)
    assert populate("k1", lock).status == 0
    before = store.environment("k1").stat()
    # It needs neither wheels nor modules.
    alpha.path.unlink()
    again = populate("k1", lock, imports=("nothing_of_the_kind",))
    assert (again.status, again.err) == (0, "")
    assert again.out.startswith("environment k1 is already there: ")
    assert store.environment("k1").stat().st_ino == before.st_ino


def test_another_environment_shares_files_and_byte_code(
    store: Store, populate, wheelhouse: Path, alpha: Wheel, beta: Wheel
):
    newer = make_wheel(wheelhouse, "beta", "2.1")
    assert populate("k1", alpha, beta).status == 0
    result = populate("k2", alpha, newer)
    assert result.status == 0, result.err
    assert "byte code: 1 compiled, 3 from the cache" in result.out
    one, two = store.environment("k1"), store.environment("k2")
    for name in ("alpha/deep/table.py", "alpha/deep/__pycache__/table.cpython-311.pyc", "alpha/data.json"):
        assert (one / SITE / name).stat().st_ino == (two / SITE / name).stat().st_ino
    assert (two / SITE / "beta.py").read_text() == '__version__ = "2.1"\n'
    assert mlenv("verify", "--store", store.root, "--full").status == 0


def test_packages_in_the_wheel_cache_are_not_counted_again(store: Store, populate, wheelhouse: Path, beta: Wheel):
    big = Wheel(beta.path, beta.name, beta.version, size=40_000_000)
    small = make_wheel(wheelhouse, "gamma", "1.0")
    first = populate("k1", big, small)
    assert "environment k1 needs up to 108 MB" in first.out
    second = populate("k2", big, make_wheel(wheelhouse, "gamma", "1.1"))
    assert second.status == 0
    assert "environment k2 needs up to 64 MB" in second.out


def test_a_mode_of_the_wheel_cache_is_corrected_in_a_copy(store: Store, populate, alpha: Wheel, beta: Wheel):
    assert populate("k1", alpha, beta).status == 0
    [cached] = list(store.uv_cache.rglob("data.json"))
    cached.chmod(0o600)
    result = populate("k2", alpha, make_wheel(beta.path.parent, "beta", "2.1"))
    assert result.status == 0, result.err
    fresh = store.environment("k2") / SITE / "alpha/data.json"
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o644
    assert stat.S_IMODE(cached.stat().st_mode) == 0o600
    assert fresh.stat().st_ino != cached.stat().st_ino


@pytest.mark.parametrize("name", ["RECORD", "METADATA"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe,garbage\n"])
def test_lost_metadata_in_the_wheel_cache_are_replaced(
    store: Store, populate, alpha: Wheel, beta: Wheel, name: str, content: bytes | None
):
    """What a power cut leaves of files that were never synced."""
    assert populate("k1", alpha, beta).status == 0
    [cached] = (path for path in store.uv_cache.rglob(name) if path.parent.name == "alpha-1.2.dist-info")
    cached.unlink()
    if content is not None:
        cached.write_bytes(content)
    result = populate("k2", alpha, make_wheel(beta.path.parent, "beta", "2.1"), imports=("alpha",))
    assert result.status == 0, result.err
    assert "installing again" in result.out
    assert mlenv("verify", "--store", store.root, "--full").status == 0


@pytest.mark.parametrize("victim", ["alpha/deep/table.py", "alpha/data.json"])
def test_a_damaged_wheel_cache_is_found_and_replaced(store: Store, populate, alpha: Wheel, beta: Wheel, victim: str):
    assert populate("k1", alpha, beta).status == 0
    [cached] = store.uv_cache.rglob(victim)
    damaged = cached.read_bytes()[:-1] + b"?"
    cached.write_bytes(damaged)
    result = populate("k2", alpha, make_wheel(beta.path.parent, "beta", "2.1"))
    assert result.status == 0, result.err
    assert "1 file of alpha not as recorded" in result.out
    assert (store.environment("k2") / SITE / victim).read_bytes() != damaged
    assert mlenv("verify", "--store", store.root, "--full", "envs/k2").status == 0


def test_a_damaged_byte_code_cache_is_found_and_replaced(store: Store, populate, alpha: Wheel, beta: Wheel):
    assert populate("k1", alpha, beta).status == 0
    [kept] = store.pyc_cache.rglob("table.cpython-311.pyc")
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    result = populate("k2", alpha, make_wheel(beta.path.parent, "beta", "2.1"), imports=("alpha.deep.table",))
    assert result.status == 0, result.err
    assert "1 file of alpha not as recorded" in result.out
    assert mlenv("verify", "--store", store.root, "--full", "envs/k2").status == 0


def make_older(root: Path, seconds: float = 10) -> None:
    """As if all files had been there that much longer."""
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            os.utime(path, (status.st_atime - seconds, status.st_mtime - seconds))


@pytest.mark.parametrize("cache", ["uv", "pyc"])
def test_files_that_another_environment_has_hashed_are_not_read_again(
    store: Store, populate, wheelhouse: Path, alpha: Wheel, beta: Wheel, cache: str
):
    """The published environment has the same damage, and a full verification finds it in both."""
    assert populate("k1", alpha, beta).status == 0
    make_older(store.root / "cache")
    [kept] = store.root.glob(f"cache/{cache}/**/table*.py*")
    status = kept.stat()
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    os.utime(kept, ns=(status.st_atime_ns, status.st_mtime_ns))
    result = populate("k2", alpha, make_wheel(wheelhouse, "beta", "2.1"))
    assert result.status == 0, result.err
    assert re.search(r"\d+ files unchanged since another environment hashed them", result.out)
    verified = mlenv("verify", "--store", store.root, "--full")
    assert "does not match its manifest: envs/k1 envs/k2" in verified.err


@pytest.mark.parametrize("doubt", ["its size", "its time", "a damaged list", "a damaged manifest", "an earlier tool"])
def test_files_are_read_again_if_their_hash_is_in_doubt(
    store: Store, populate, wheelhouse: Path, alpha: Wheel, beta: Wheel, doubt: str
):
    assert populate("k1", alpha, beta).status == 0
    make_older(store.root / "cache")
    [cached] = store.uv_cache.rglob("table.py")
    status = cached.stat()
    cached.write_bytes(cached.read_bytes()[:-1] + (b"??" if doubt == "its size" else b"?"))
    if doubt != "its time":
        os.utime(cached, ns=(status.st_atime_ns, status.st_mtime_ns))
    metadata = store.environment("k1") / ".mlenv"
    if doubt == "a damaged list":
        (metadata / "files.tsv").write_text("")
    if doubt == "a damaged manifest":
        (metadata / "manifest.json").write_text("{}")
    if doubt == "an earlier tool":
        summary = json.loads((metadata / "manifest.json").read_text())
        earlier = {name: value for name, value in summary.items() if name not in ("hashed", "seal")}
        (metadata / "manifest.json").write_text(manifest.render(earlier))
    result = populate("k2", alpha, make_wheel(wheelhouse, "beta", "2.1"))
    assert result.status == 0, result.err
    assert "1 file of alpha not as recorded" in result.out
    assert mlenv("verify", "--store", store.root, "--full", "envs/k2").status == 0


@pytest.mark.parametrize("lost", ["sums.tsv", "table.cpython-311.pyc"])
def test_an_incomplete_byte_code_cache_is_replaced(store: Store, populate, alpha: Wheel, beta: Wheel, lost: str):
    assert populate("k1", alpha, beta).status == 0
    [kept] = (path for path in store.pyc_cache.rglob(lost) if "alpha-1.2-" in str(path))
    kept.unlink()
    for version in ("2.1", "2.2"):
        result = populate(f"k{version}", alpha, make_wheel(beta.path.parent, "beta", version))
        assert result.status == 0, result.err
        assert ("the byte code of alpha in the cache is damaged" in result.out) == (version == "2.1")
    assert mlenv("verify", "--store", store.root, "--full").status == 0


def test_what_is_new_on_the_disk_is_counted(store: Store, populate, wheelhouse: Path, beta: Wheel):
    heavy = make_wheel(wheelhouse, "heavy", files={"heavy/__init__.py": "", "heavy/weights.bin": b"\0" * 3_000_000})
    first = populate("k1", heavy, beta)
    second = populate("k2", heavy, make_wheel(wheelhouse, "beta", "2.1"))
    assert re.search(r"of which 3\.\d+ MB are new on the disk", first.out)
    assert re.search(r"of which \d+(\.\d)? kB are new on the disk", second.out)


def test_two_packages_may_own_one_file(store: Store, populate, wheelhouse: Path):
    shared = {"nv/__init__.py": ""}
    one = make_wheel(wheelhouse, "nv-one", files=shared | {"nv/one.py": "ONE = 1\n"})
    two = make_wheel(wheelhouse, "nv-two", files=shared | {"nv/two.py": "TWO = 2\n"})
    result = populate("k1", one, two, imports=("nv.one", "nv.two"))
    assert result.status == 0, result.err
    assert visible_environments(store) == ["k1"]


def test_a_wheel_with_a_wrong_hash_in_its_record_is_accepted_by_its_own_hash(store: Store, populate, wheelhouse: Path):
    liar = make_wheel(wheelhouse, "liar", files={"liar.py": "A = 1\n"}, recorded={"liar.py": b"A = 2\n"})
    result = populate("k1", liar, imports=("liar",))
    assert result.status == 0, result.err
    assert "1 file of liar not as the RECORD of the wheel says; the wheel itself has the hash of the lock" in result.out
    assert f"so it was published like this: {SITE}/liar.py" in result.out
    assert manifest.read_environment(store.environment("k1"))["notAsRecorded"] == [f"{SITE}/liar.py"]
    assert mlenv("verify", "--store", store.root, "--full").status == 0
    # The cache keeps no note of it: another environment unpacks the wheel again and says it again.
    assert "so it was published like this" in populate("k2", lock_of(liar)).out


def _rehashed(record: str, algorithm: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, b"1").digest()).rstrip(b"=").decode()
    return re.sub(r"(?m)^(liar/data.txt),[^,]*", rf"\1,{algorithm}={digest}", record)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: _rehashed(record, "sha512"),
        lambda record: _rehashed(record, "md5"),
        lambda record: re.sub("(?m),sha256=.*$", ",,", record),
        lambda record: record.replace("\n", "\r\n"),
        lambda record: record + record,
        lambda record: record.replace("liar/data", "liar\\data"),
    ],
)
@pytest.mark.parametrize("signature", ["RECORD.jws", "RECORD.p7s"])
def test_a_record_may_be_written_in_other_ways_and_signed(
    store: Store, populate, wheelhouse: Path, change: Callable[[str], str], signature: str
):
    wheel = make_wheel(wheelhouse, "liar", files={"liar/__init__.py": "", "liar/data.txt": "1"})
    info = "liar-1.0.dist-info"
    with zipfile.ZipFile(wheel.path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts |= {f"{info}/RECORD": change(parts[f"{info}/RECORD"].decode()).encode(), f"{info}/{signature}": b"{}"}
    with zipfile.ZipFile(wheel.path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    result = populate("k1", wheel, imports=("liar",))
    assert result.status == 0, result.err
    assert mlenv("verify", "--store", store.root, "--full").status == 0


@pytest.mark.parametrize(
    "contradiction",
    [{"recorded": {"liar/gone.py": b""}}, {"unrecorded": ("liar/data.txt",)}, {"unrecorded": ("liar/__init__.py",)}],
)
def test_a_wheel_whose_record_names_other_files_is_accepted(store: Store, populate, wheelhouse: Path, contradiction):
    liar = make_wheel(wheelhouse, "liar", files={"liar/__init__.py": "", "liar/data.txt": "1"}, **contradiction)
    result = populate("k1", liar, imports=("liar",))
    assert result.status == 0, result.err
    assert (store.environment("k1") / SITE / "liar/data.txt").read_text() == "1"
