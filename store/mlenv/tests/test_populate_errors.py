"""Everything that can go wrong with an environment: the message says what to do, and nothing of it becomes visible."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest

from mlenv.store.initialise import initialise
from mlenv.store.store import Store

from .fake_hub import FakeHub
from .run_mlenv import mlenv
from .store_contents import left_in_staging, visible_environments
from .tampering import status
from .wheels import Wheel, lock_of, make_wheel


def assert_nothing_visible(store: Store) -> None:
    assert visible_environments(store) == []
    assert left_in_staging(store) == []


def test_all_problems_of_a_lock_file_are_listed(store: Store, populate, beta: Wheel):
    lock = f"--index-url https://example.org/simple\nalpha>=1\nbeta==2.0\n{beta.lock_entry()}gamma==1 --hash=md5:abc\n"
    result = populate("k1", lock)
    assert result.status == 2
    assert result.err.splitlines() == [
        "mlenv: error: the lock file cannot be used:",
        "mlenv: error:   - line 1: option '--index-url' is not allowed in a lock file; give indexes on the "
        "command line",
        "mlenv: error:   - line 2: 'alpha>=1' is not pinned to one version with ==",
        "mlenv: error:   - line 3: beta==2.0 has no --hash",
        "mlenv: error:   - line 4: beta is listed twice",
        "mlenv: error:   - line 7: gamma: 'md5:abc' is not sha256:<64 hex digits>",
        "mlenv: error: Write it with `mlenv lock` (./archon lock); it pins and hashes every package.",
    ]
    assert_nothing_visible(store)


@pytest.mark.parametrize("lock", ["", "# python: cp311\n", "\n\n"])
def test_an_empty_lock_file_is_refused(store: Store, populate, lock: str, beta: Wheel):
    result = populate("k1", lock or "# nothing\n")
    assert result.status == 2
    assert "it has no requirement" in result.err


def test_a_lock_file_that_is_not_text_is_refused(store: Store):
    result = mlenv("populate", "--store", store.root, "--key", "k1", "--lock", "-", stdin=b"\xff\xfe")
    assert (result.status, "is not UTF-8 text" in result.err) == (2, True)


def test_the_planned_lock_file_is_accepted(store: Store, populate, wheelhouse: Path, beta: Wheel):
    lock = lock_of(beta)
    planned = hashlib.sha256(lock.encode()).hexdigest()

    result = populate("k1", lock, options=("--wheelhouse", str(wheelhouse), "--lock-sha256", planned))

    assert (result.status, result.err) == (0, "")
    assert visible_environments(store) == ["k1"]


def test_a_lock_file_that_changed_after_planning_is_refused(store: Store, populate, wheelhouse: Path, beta: Wheel):
    planned = hashlib.sha256(lock_of(beta).encode()).hexdigest()
    changed = f"{lock_of(beta)}# edited after the plan\n"
    received = hashlib.sha256(changed.encode()).hexdigest()

    result = populate("k1", changed, options=("--wheelhouse", str(wheelhouse), "--lock-sha256", planned))

    assert result.status == 2
    assert result.err == (
        f"mlenv: error: environment k1 was planned with a lock file of sha256 {planned}, but standard input holds one "
        f"of sha256 {received}: the file changed after planning. Nothing was installed. "
        "Run the update again: it plans a new key for the new lock file.\n"
    )
    assert_nothing_visible(store)


@pytest.mark.parametrize("malformed", ["", "abc", "G" * 64, "A" * 64, "sha256:" + "0" * 64])
def test_a_malformed_lock_sha256_is_refused(store: Store, populate, wheelhouse: Path, beta: Wheel, malformed: str):
    result = populate("k1", beta, options=("--wheelhouse", str(wheelhouse), "--lock-sha256", malformed))

    assert result.status == 2
    assert f"--lock-sha256: {malformed!r}: expected 64 lowercase hex digits" in result.err
    assert_nothing_visible(store)


def test_another_python_and_another_platform_are_refused(store: Store, populate, beta: Wheel):
    lock = f"# python: cp313\n# platform: sparc64-manylinux_2_28\n{beta.lock_entry()}"
    result = populate("k1", lock)
    assert result.status == 2
    assert "(cp311), the request and its lock file are for cp311 and cp313;" in result.err
    assert "the lock file is for sparc64-manylinux_2_28, this image is " in result.err
    assert_nothing_visible(store)


def test_a_c_library_that_is_too_old_is_reported(populate, beta: Wheel):
    import platform

    result = populate("k1", f"# platform: {platform.machine()}-manylinux_9_99\n{beta.lock_entry()}")
    assert result.status == 2
    assert f"the lock file is for {platform.machine()}-manylinux_9_99, this image is " in result.err


@pytest.mark.parametrize("version", ["5.3.9", "4.1.0"])
def test_sentence_transformers_with_random_scores_are_refused(store: Store, populate, wheelhouse: Path, version: str):
    result = populate("k1", make_wheel(wheelhouse, "sentence-transformers", version))
    assert result.status == 2
    assert f"sentence-transformers=={version}, at least 5.4 is needed" in result.err
    assert "random score head" in result.err


def test_sentence_transformers_from_5_4_on_are_accepted(populate, wheelhouse: Path):
    assert populate("k1", make_wheel(wheelhouse, "sentence-transformers", "5.4.0")).status == 0


def test_a_wrong_hash_is_refused(store: Store, populate, alpha: Wheel, beta: Wheel):
    lock = alpha.lock_entry() + beta.lock_entry(sha256="0" * 64)
    result = populate("k1", lock)
    assert result.status == 1
    assert "Hash mismatch for `beta==2.0`" in result.err
    assert f"sha256:{beta.sha256}" in result.err
    assert "A file on the index differs from the one in the lock file." in result.err
    assert_nothing_visible(store)
    assert populate("k1", alpha, beta).status == 0


def test_a_version_that_the_wheelhouse_lacks_is_reported(store: Store, populate, beta: Wheel):
    beta.path.rename(beta.path.with_name("beta-2.1-py3-none-any.whl.away"))
    result = populate("k1", f"beta==2.0 \\\n    --hash=sha256:{'1' * 64}\n")
    assert result.status == 1
    assert "The index or wheelhouse lacks a locked version." in result.err
    assert_nothing_visible(store)


def test_a_wheel_for_another_platform_is_refused(store: Store, populate, wheelhouse: Path):
    foreign = make_wheel(wheelhouse, "foreign", tag="cp311-cp311-win_amd64")
    result = populate("k1", foreign)
    assert result.status == 1
    assert "There is no wheel of that version for this Python and platform." in result.err
    assert_nothing_visible(store)


def test_an_index_that_does_not_answer_is_reported(store: Store, populate, beta: Wheel):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    result = populate("k1", beta, options=("--index", f"http://user:hush@127.0.0.1:{port}/simple"), UV_HTTP_RETRIES="0")
    assert result.status == 1
    assert "The package index cannot be reached." in result.err
    assert "archon:pythonIndex" in result.err
    assert "hush" not in result.err + result.out
    assert_nothing_visible(store)


def test_an_index_that_rejects_the_credentials_is_reported(store: Store, populate, beta: Wheel, hub: FakeHub):
    hub.tamper("/simple/beta/", *[status(401)] * 5)
    result = populate("k1", beta, options=("--index", f"{hub.endpoint}/simple"), UV_HTTP_RETRIES="0")
    assert result.status == 1
    assert "The index rejects the credentials." in result.err
    assert_nothing_visible(store)


def test_a_missing_wheelhouse_is_reported(store: Store, populate, beta: Wheel):
    result = populate("k1", beta, options=("--wheelhouse", "/nowhere"))
    assert (result.status, "--wheelhouse /nowhere: there is no such directory" in result.err) == (2, True)


def test_a_module_that_cannot_be_imported_is_reported(store: Store, populate, alpha: Wheel):
    result = populate("k1", alpha, imports=("alpha", "alpha.deep.table"))
    assert result.status == 1
    assert "module 'alpha.deep.table' cannot be imported" in result.err
    assert "ModuleNotFoundError: No module named 'beta'" in result.err
    assert_nothing_visible(store)


def test_a_module_that_comes_from_elsewhere_is_refused(store: Store, populate, beta: Wheel):
    result = populate("k1", beta, imports=("json",))
    assert result.status == 1
    assert "module 'json' was not imported from the environment but from /" in result.err
    assert_nothing_visible(store)


def test_a_module_that_kills_its_python_is_reported(store: Store, populate, wheelhouse: Path):
    deadly = make_wheel(wheelhouse, "deadly", files={"deadly.py": "import os\nprint('last words')\nos.abort()\n"})
    result = populate("k1", deadly, imports=("deadly",))
    assert result.status == 1
    assert "the import check ended with status -6" in result.err
    assert_nothing_visible(store)


def test_one_key_for_two_lock_files_is_refused(store: Store, populate, alpha: Wheel, beta: Wheel):
    assert populate("k1", alpha, beta).status == 0
    result = populate("k1", beta)
    assert result.status == 1
    assert "environment k1 was made from another lock" in result.err


def test_an_environment_that_was_changed_in_the_store_is_reported(store: Store, populate, beta: Wheel):
    assert populate("k1", beta).status == 0
    site = store.environment("k1") / "lib/python3.11/site-packages"
    (site / "beta.py").unlink()
    (site / "extra.py").write_text("")
    result = populate("k1", beta)
    assert result.status == 1
    assert "envs/k1 is in the store but was changed:" in result.err
    assert "  - missing: lib/python3.11/site-packages/beta.py" in result.err
    assert "  - added: lib/python3.11/site-packages/extra.py" in result.err


@pytest.mark.parametrize("key", ["../k1", "", "a/b", ".hidden", "x" * 129])
def test_invalid_keys_are_refused(store: Store, populate, beta: Wheel, key: str):
    result = populate(key, beta)
    assert (result.status, "expected 1 to 128 letters" in result.err) == (2, True)


def test_a_directory_that_is_not_a_store_is_refused(tmp_path: Path, beta: Wheel):
    result = mlenv("populate", "--store", tmp_path, "--key", "k1", "--lock", "-", stdin=lock_of(beta))
    assert result.status == 1
    assert f"{tmp_path} is not a store" in result.err
    assert f"mlenv init --store {tmp_path}" in result.err


def test_too_little_space_is_reported_before_any_download(populate_on, wheelhouse: Path, beta: Wheel):
    store, populate = populate_on(200_000_000)
    large = Wheel(beta.path, "beta", "2.0", size=5_000_000_000)
    unknown = make_wheel(wheelhouse, "gamma")
    result = populate("k1", large.lock_entry() + unknown.lock_entry(size=None))
    assert result.status == 1
    assert "not enough disk space for environment k1: it needs up to 5.56 GB (5 GB for 2 packages" in result.err
    assert "200 MB are free on " in result.err
    assert "Nothing was downloaded." in result.err
    assert "they are not counted: gamma==1.0" in result.out
    assert list(store.uv_cache.iterdir()) == []
    assert_nothing_visible(store)


def test_a_disk_that_fills_up_during_the_installation_is_freed(populate_on, wheelhouse: Path):
    store, populate = populate_on(12_000_000)
    heavy = make_wheel(wheelhouse, "heavy", files={"heavy/__init__.py": "", "heavy/weights.bin": b"\0" * 30_000_000})
    result = populate("k1", heavy, MLENV_TEST_SKIP_PREFLIGHT="1")
    assert result.status == 1
    assert "No space left on device" in result.err
    assert "The disk is full." in result.err
    assert_nothing_visible(store)


def test_a_disk_that_fills_up_with_byte_code_is_freed(populate_on, wheelhouse: Path):
    store, populate = populate_on(8_000_000)
    body = "".join(f"def f{number}(a, b):\n    return a + b + {number}\n" for number in range(60_000))
    heavy = make_wheel(wheelhouse, "heavy", files={"heavy.py": body})
    result = populate("k1", heavy, MLENV_TEST_SKIP_PREFLIGHT="1")
    assert result.status == 1
    assert "the disk is full" in result.err
    assert_nothing_visible(store)


@pytest.fixture
def populate_on(small_disk, wheelhouse: Path):
    """A store on a file system of the given size, and a function that populates it."""

    def prepare(size: int):
        store = initialise(small_disk(size) / "store", [], (0, 0))

        def run(key: str, content: Wheel | str, **environment: str):
            lock = content if isinstance(content, str) else lock_of(content)
            arguments = ("--store", store.root, "--key", key, "--lock", "-", "--wheelhouse", wheelhouse)
            return mlenv("populate", *arguments, stdin=lock, **environment)

        return store, run

    return prepare
