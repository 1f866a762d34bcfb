"""Fixtures of the store tool's tests."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlenv.store.initialise import initialise
from mlenv.store.store import Store

from .archives import pack
from .fake_hub import FakeHub
from .run_mlenv import Result, mlenv
from .wheels import Wheel, lock_of, make_wheel


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store. Its data directories belong to the user who runs the tests."""
    return initialise(tmp_path / "store", [], (os.getuid(), os.getgid()))


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    """A directory for wheels."""
    return tmp_path / "wheelhouse"


@pytest.fixture
def alpha(wheelhouse: Path) -> Wheel:
    """A package with a subpackage, a launcher, and a module that needs `beta`."""
    return make_wheel(
        wheelhouse,
        "alpha",
        "1.2",
        {
            "alpha/__init__.py": '__version__ = "1.2"\n\ndef main():\n    print("alpha runs")\n',
            "alpha/deep/__init__.py": "",
            "alpha/deep/table.py": "import beta\n\nROWS = 3\n",
            "alpha/data.json": "{}",
        },
        launchers={"alpha": "alpha:main"},
    )


@pytest.fixture
def beta(wheelhouse: Path) -> Wheel:
    return make_wheel(wheelhouse, "beta", "2.0")


Populate = Callable[..., Result]


@pytest.fixture
def populate(store: Store, wheelhouse: Path) -> Populate:
    """Runs `mlenv populate` with the store and the wheelhouse: `populate(key, *wheels or lock text, imports=())`."""

    def run(
        key: str,
        *content: Wheel | str,
        imports: tuple[str, ...] = (),
        options: tuple[str, ...] = (),
        **environment: str,
    ):
        wheels = [item for item in content if isinstance(item, Wheel)]
        lock = next((item for item in content if isinstance(item, str)), None) or lock_of(*wheels)
        arguments = ["--store", store.root, "--key", key, "--lock", "-", *(("--import", *imports) if imports else ())]
        source = options or ("--wheelhouse", str(wheelhouse))
        return mlenv("populate", *arguments, *source, stdin=lock, **environment)

    return run


Prepare = Callable[[str, Callable[[], Any]], Any]


@pytest.fixture(scope="session")
def prepared_stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A directory of stores as `prepare` left them, and by their names what its work returned."""
    return tmp_path_factory.mktemp("prepared"), {}


@pytest.fixture
def prepare(store: Store, prepared_stores: tuple[Path, dict[str, Any]]) -> Prepare:
    """Fills the store: `prepare(name, work)` returns what `work()` returns.

    `work` runs once for all tests that give the same name, since it takes seconds. The others get a copy of the store
    that it filled. It must fill an empty store always the same way, and return nothing that names the store's path. The
    wheel cache of the copy still names the wheelhouse of the first test, and its models name the hub of that test. A
    test that repairs from one of these must fill its store itself.
    """
    directory, results = prepared_stores

    def run(name: str, work: Callable[[], Any]) -> Any:
        copy = directory / name
        if name not in results:
            result = work()
            subprocess.run(["cp", "--archive", store.root, copy], check=True)
            results[name] = result
        else:
            # Files that are hard links of each other stay so.
            subprocess.run(["cp", "--archive", "--no-target-directory", copy, store.root], check=True)
        return results[name]

    return run


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A hub on the loopback interface."""
    with FakeHub() as running:
        yield running


@pytest.fixture
def serve_index() -> Iterator[Callable[[Path], str]]:
    """Serves a directory with one folder of wheels for each package as an index, on loopback; returns its URL."""
    with contextlib.ExitStack() as servers:

        def serve(directory: Path) -> str:
            handler = functools.partial(QuietHandler, directory=str(directory))
            server = servers.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            servers.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            return f"http://127.0.0.1:{server.server_port}"

        yield serve


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line for each request."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def archive_of() -> Callable[[dict[str, bytes]], tuple[bytes, str]]:
    """Packs files into a tar; returns it and the revision of its files, computed here independently of the tool."""

    def pack_files(files: dict[str, bytes]) -> tuple[bytes, str]:
        lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files, key=str.encode))
        revision = hashlib.sha256("".join(lines).encode()).hexdigest()[:40]
        return pack(*((tarfile.TarInfo(name), data) for name, data in files.items())), revision

    return pack_files


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a file system of the given number of bytes; returns its directory. Skips the test if mounting is not
    allowed, which needs root."""
    mounted: list[Path] = []

    def mount(size: int, options: str = "rw") -> Path:
        directory = tmp_path / f"disk{len(mounted)}"
        directory.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755,{options}", "tmpfs", str(directory)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            pytest.skip(f"no small file system can be mounted here: {result.stderr.strip()}")
        mounted.append(directory)
        return directory

    yield mount
    for directory in mounted:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)
