"""Packages from more than one index, and torch without CUDA."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from mlenv.environments.requirements import parse
from mlenv.store.store import Store

from .conftest import QuietHandler
from .run_mlenv import Result, mlenv
from .wheels import make_wheel


@pytest.fixture
def default_index(tmp_path: Path, serve_index: Callable[[Path], str]) -> str:
    """An index with the newest packages; its torch needs CUDA."""
    directory = tmp_path / "default"
    for version in ("1.0", "2.0"):
        make_wheel(directory / "depx", "depx", version)
    make_wheel(directory / "torch", "torch", "1.0", requires=("depx>=2", "nvidia-runtime", "triton"))
    make_wheel(directory / "nvidia-runtime", "nvidia-runtime")
    make_wheel(directory / "triton", "triton")
    make_wheel(directory / "web", "web", requires=("depx",))
    return serve_index(directory)


@pytest.fixture
def cpu_index(tmp_path: Path, serve_index: Callable[[Path], str]) -> str:
    """An index with a torch without CUDA, and an older version of another package, as PyTorch's own index is."""
    directory = tmp_path / "cpu"
    make_wheel(directory / "depx", "depx", "1.5")
    make_wheel(directory / "torch", "torch", "1.0+cpu", requires=("depx>=1",))
    return serve_index(directory)


@pytest.fixture
def lock(tmp_path: Path, default_index: str) -> Callable[..., Result]:
    (tmp_path / "minimal.in").write_text("web\n")
    (tmp_path / "ml.in").write_text("# scores\ntorch>=1  # without an upper bound\ndepx>=2\n")

    def run(*options: str) -> Result:
        lists = ("--minimal", tmp_path / "minimal.in", "--ml", tmp_path / "ml.in", "--output", tmp_path)
        return mlenv("lock", *lists, "--index", default_index, *options)

    return run


def pins(path: Path) -> list[str]:
    return [str(item) for item in parse(path.read_text()).requirements]


def test_an_older_version_on_an_extra_index_does_not_hide_the_default_one(
    tmp_path: Path, lock: Callable[..., Result], cpu_index: str
):
    result = lock("--extra-index", cpu_index)
    assert result.status == 0, result.err
    assert pins(tmp_path / "ml.txt") == ["depx==2.0", "torch==1.0+cpu"]


def test_hashed_packages_come_from_any_of_the_indexes(
    store: Store, tmp_path: Path, lock: Callable[..., Result], populate, default_index: str, cpu_index: str
):
    assert lock("--extra-index", cpu_index).status == 0
    options = ("--index", default_index, "--extra-index", cpu_index)
    result = populate("k1", (tmp_path / "ml.txt").read_text(), imports=("depx",), options=options)
    assert result.status == 0, result.err


def test_torch_alone_comes_from_its_index(tmp_path: Path, lock: Callable[..., Result], cpu_index: str):
    (tmp_path / "ml.in").write_text("torch\ndepx\n")
    result = lock("--accelerator", "cpu", "--torch-index", cpu_index)
    assert result.status == 0, result.err
    # As an extra index, the same one would also have given depx 1.5.
    assert pins(tmp_path / "ml.txt") == ["depx==2.0", "torch==1.0+cpu"]
    assert pins(tmp_path / "minimal.txt") == ["depx==2.0", "web==1.0"]
    assert "# accelerator: cpu" in (tmp_path / "ml.txt").read_text().splitlines()
    assert cpu_index not in (tmp_path / "ml.txt").read_text()


def test_a_cpu_environment_has_no_package_of_cuda_and_a_second_run_changes_nothing(
    store: Store, tmp_path: Path, lock: Callable[..., Result], populate, default_index: str, cpu_index: str
):
    choice = ("--accelerator", "cpu", "--torch-index", cpu_index)
    assert lock(*choice).status == 0
    locked = (tmp_path / "ml.txt").read_text()
    options = ("--index", default_index, "--extra-index", cpu_index)
    result = populate("k1", locked, imports=("depx",), options=options)
    assert result.status == 0, result.err
    installed = {path.name.partition("-")[0] for path in store.environment("k1").rglob("*.dist-info")}
    assert installed == {"depx", "torch"}
    cached = {path.name for path in store.uv_cache.rglob("*") if path.name.startswith(("nvidia", "triton"))}
    assert cached == set()

    before = {path: path.lstat().st_mtime_ns for path in store.environment("k1").rglob("*")}
    assert lock(*choice).status == 0
    assert (tmp_path / "ml.txt").read_text() == locked
    again = populate("k1", locked, imports=("depx",), options=options)
    assert (again.status, again.out.startswith("environment k1 is already there")) == (0, True)
    assert {path: path.lstat().st_mtime_ns for path in store.environment("k1").rglob("*")} == before


def test_lists_without_torch_are_the_same_for_every_accelerator(
    tmp_path: Path, lock: Callable[..., Result], cpu_index: str
):
    # Such a list may have options, as that of this project's tests has.
    (tmp_path / "tools.txt").write_text("depx==2.0\n")
    (tmp_path / "tests.in").write_text("-c tools.txt\ndepx\n")
    also = ("--also", str(tmp_path / "tests.in"))
    assert lock(*also).status == 0
    without = [(tmp_path / f"{name}.txt").read_text() for name in ("minimal", "tests")]
    result = lock(*also, "--accelerator", "cpu", "--torch-index", cpu_index)
    assert result.status == 0, result.err
    assert [(tmp_path / f"{name}.txt").read_text() for name in ("minimal", "tests")] == without


@pytest.fixture
def refusing_index(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An index of torch alone that answers for every other package with a status of its own, as storage servers do."""
    directory = tmp_path / "refusing"
    make_wheel(directory / "torch", "torch", "1.0+cpu", requires=("depx>=1",))

    class Handler(QuietHandler):
        def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
            super().send_error(request.param, message, explain)

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(directory))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("refusing_index", [401, 403], indirect=True)
def test_an_extra_index_may_refuse_the_packages_that_it_does_not_have(
    store: Store, tmp_path: Path, lock: Callable[..., Result], populate, default_index: str, refusing_index: str
):
    (tmp_path / "ml.in").write_text("torch\ndepx\n")
    result = lock("--accelerator", "cpu", "--torch-index", refusing_index)
    assert result.status == 0, result.err
    assert pins(tmp_path / "ml.txt") == ["depx==2.0", "torch==1.0+cpu"]
    options = ("--index", default_index, "--extra-index", refusing_index)
    assert populate("k1", (tmp_path / "ml.txt").read_text(), imports=("depx",), options=options).status == 0


def test_a_version_that_the_index_of_torch_has_for_another_platform_comes_from_the_default_one(
    store: Store, tmp_path: Path, lock: Callable[..., Result], populate, default_index: str, cpu_index: str
):
    make_wheel(tmp_path / "cpu/depx", "depx", "2.0", tag="cp39-cp39-win_amd64")
    (tmp_path / "ml.in").write_text("torch\ndepx\n")
    assert lock("--accelerator", "cpu", "--torch-index", cpu_index).status == 0
    options = ("--index", default_index, "--extra-index", cpu_index)
    result = populate("k1", (tmp_path / "ml.txt").read_text(), imports=("depx",), options=options)
    assert result.status == 0, result.err
    # Such an index as an extra one hides the version, and the message says so.
    (tmp_path / "ml.in").write_text("torch\ndepx>=2\n")
    result = lock("--extra-index", cpu_index)
    assert (result.status, "hides it on the others; for torch alone use archon:torchIndex" in result.err) == (1, True)


def test_a_version_that_an_extra_index_has_withdrawn_is_not_taken(
    tmp_path: Path, lock: Callable[..., Result], cpu_index: str
):
    wheel = make_wheel(tmp_path / "cpu/depx", "depx", "3.0").path.name
    (tmp_path / "cpu/depx/index.html").write_text(f'<a href="{wheel}" data-yanked="wrong">{wheel}</a>')
    assert lock("--extra-index", cpu_index).status == 0
    assert pins(tmp_path / "ml.txt") == ["depx==2.0", "torch==1.0+cpu"]


def test_another_file_of_a_pinned_version_on_an_extra_index_is_refused_with_what_to_do(
    store: Store, tmp_path: Path, lock: Callable[..., Result], populate, default_index: str, cpu_index: str
):
    (tmp_path / "ml.in").write_text("depx\n")
    assert lock().status == 0
    make_wheel(tmp_path / "cpu/depx", "depx", "2.0", {"depx.py": "other = True\n"})
    options = ("--index", default_index, "--extra-index", cpu_index)
    result = populate("k1", (tmp_path / "ml.txt").read_text(), imports=("depx",), options=options)
    assert (result.status, "leave out an extra one (archon:pythonExtraIndexes)" in result.err) == (1, True)


def test_a_cpu_lock_file_never_holds_packages_of_cuda(tmp_path: Path, lock: Callable[..., Result]):
    result = lock("--accelerator", "cpu")
    assert result.status == 1
    assert "would hold nvidia-runtime==1.0, triton==1.0, which only CUDA needs" in result.err
    assert "archon:torchIndex" in result.err
    assert not (tmp_path / "ml.txt").exists()


def test_a_cpu_lock_file_that_was_edited_is_refused(
    tmp_path: Path, lock: Callable[..., Result], populate, default_index: str
):
    assert lock().status == 0
    text = "# accelerator: cpu\n" + (tmp_path / "ml.txt").read_text()
    result = populate("k1", text, options=("--index", default_index))
    assert result.status == 2
    assert "it is for the accelerator cpu, but pins nvidia-runtime==1.0, triton==1.0" in result.err


def test_lists_with_options_are_refused_with_an_index_for_torch(
    tmp_path: Path, lock: Callable[..., Result], cpu_index: str
):
    (tmp_path / "ml.in").write_text("torch\n--extra-index-url http://127.0.0.1:9\n")
    result = lock("--torch-index", cpu_index)
    assert result.status == 2
    assert "ml.in, line 2: '--extra-index-url http://127.0.0.1:9' is no requirement" in result.err


@pytest.fixture
def dated_index(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Serves an index that says when it got each version, as PyPI does, or not."""
    servers = []

    def start(versions: dict[str, str], *, dated: bool = True) -> str:
        directory = tmp_path / "dated/depx"
        wheels = {version: make_wheel(directory, "depx", version).path for version in versions}
        files = [
            {
                "filename": wheel.name,
                "url": wheel.name,
                "hashes": {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()},
                **({"upload-time": versions[version]} if dated else {}),
            }
            for version, wheel in wheels.items()
        ]
        page = json.dumps({"meta": {"api-version": "1.1"}, "name": "depx", "versions": [*versions], "files": files})

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                if self.path != "/depx/":
                    super().do_GET()
                    return
                self.send_response(200)
                self.send_header("content-type", "application/vnd.pypi.simple.v1+json")
                self.end_headers()
                self.wfile.write(page.encode())

        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path / "dated")))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


VERSIONS = {"1.0": "2025-10-12T22:00:00Z", "2.0": "2025-10-14T00:00:00Z"}


def lock_alone(tmp_path: Path, *options: str) -> Result:
    (tmp_path / "mcp.in").write_text("depx\n")
    return mlenv("lock", "--minimal", tmp_path / "mcp.in", "--output", tmp_path, *options)


def test_a_list_alone_is_resolved_as_of_a_day(tmp_path: Path, dated_index: Callable[..., str]):
    index = dated_index(VERSIONS)
    assert lock_alone(tmp_path, "--index", index).status == 0
    assert pins(tmp_path / "mcp.txt") == ["depx==2.0"]
    result = lock_alone(tmp_path, "--index", index, "--exclude-newer", "2025-10-12", "--upgrade")
    assert result.status == 0, result.err
    assert pins(tmp_path / "mcp.txt") == ["depx==1.0"]
    assert [path.name for path in tmp_path.glob("*.txt")] == ["mcp.txt"]


def test_an_index_that_does_not_say_when_it_got_its_files_is_named_as_the_reason(
    tmp_path: Path, dated_index: Callable[..., str]
):
    result = lock_alone(tmp_path, "--index", dated_index(VERSIONS, dated=False), "--exclude-newer", "2025-10-12")
    assert (result.status, "does not say when it got its files" in result.err) == (1, True)
    assert not (tmp_path / "mcp.txt").exists()


def test_a_day_is_written_as_one(tmp_path: Path):
    result = lock_alone(tmp_path, "--exclude-newer", "yesterday")
    assert (result.status, "expected a day, YYYY-MM-DD" in result.err) == (2, True)
