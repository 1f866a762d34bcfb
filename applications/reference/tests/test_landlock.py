"""What a confined program may do. Python runs in place of the browser."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archon_server.crawling import landlock

needs_landlock = pytest.mark.skipif(
    landlock.available() < landlock.COMPLETE, reason=f"this kernel offers no Landlock of version {landlock.COMPLETE}"
)


@pytest.fixture
def listeners() -> tuple[socket.socket, socket.socket]:
    return socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))


def run_confined(script: str, port: int, directory: Path) -> subprocess.CompletedProcess[str]:
    own = {"CONFINED_PROGRAM": sys.executable, "CONFINED_PORT": str(port), "TMPDIR": str(directory)}
    return subprocess.run(
        [landlock.__file__, "-I", "-c", script], env=os.environ | own, capture_output=True, text=True, check=False
    )


def outcome(statement: str, port: int, directory: Path) -> str:
    """The last line of its output: the name of an error, or "done"."""
    ended = run_confined(f"import os, socket, pathlib\n{statement}\nprint('done')", port, directory)
    return (ended.stdout or ended.stderr).strip().splitlines()[-1].partition(":")[0]


@pytest.mark.parametrize(("version", "warns"), [(0, True), (5, True), (6, False), (7, False)])
def test_a_server_whose_browser_cannot_be_confined_warns(
    serve: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    version: int,
    warns: bool,
) -> None:
    monkeypatch.setattr(landlock, "available", lambda: version)
    with serve(browser=Path("/bin/false")):
        pass
    assert (f"crawls run scripts in /bin/false; Landlock version {version} of" in caplog.text) == warns


@needs_landlock
def test_only_the_port_of_the_proxy_can_be_reached(
    listeners: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    proxy, other = (each.getsockname()[1] for each in listeners)
    connect = "socket.create_connection(('127.0.0.1', {}))"
    assert outcome(connect.format(proxy), proxy, tmp_path) == "done"
    assert outcome(connect.format(other), proxy, tmp_path) == "PermissionError"


@needs_landlock
def test_data_cannot_be_read_and_nothing_can_be_written_outside(tmp_path: Path) -> None:
    own, data = tmp_path / "own", tmp_path / "data"
    own.mkdir()
    data.mkdir()
    (data / "secrets.key").write_text("secret")
    for statement, expected in {
        f"pathlib.Path('{own}/new').write_text('x')": "done",
        f"pathlib.Path('{own}/new').rename('{own}/newer')": "done",
        f"pathlib.Path('{data}/secrets.key').read_text()": "PermissionError",
        f"os.listdir('{data}')": "PermissionError",
        f"os.rename('{own}/newer', '{data}/newer')": "PermissionError",
        f"os.truncate('{data}/secrets.key', 0)": "PermissionError",
        "pathlib.Path('/etc/hostname').read_text()": "done",
        "pathlib.Path('/etc/new').write_text('x')": "PermissionError",
        f"os.kill({os.getpid()}, 0)": "PermissionError",
    }.items():
        assert outcome(statement, 1, own) == expected, statement
    assert (data / "secrets.key").read_text() == "secret"
