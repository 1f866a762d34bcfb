"""The command that the engine runs every few seconds: its answers, and that it stays cheap."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from archon_server import healthcheck

SERVER = Path(__file__).parents[1]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, bytes], None]]:
    """Makes /health answer with a status and a body."""
    reply = (500, b"")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(reply[0] if self.path == "/health" else 404)
            self.end_headers()
            self.wfile.write(reply[1])

        def log_message(self, *_: object) -> None:
            pass

    def answer(status: int, body: bytes) -> None:
        nonlocal reply
        reply = (status, body)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setenv("PORT", str(server.server_port))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield answer
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "code", "printed"),
    [
        (200, b'{"status": "healthy", "ready": true}', 0, "healthy: ready"),
        (503, b'{"status": "failed", "ready": false, "message": "no torch"}', 1, "failed: no torch"),
        (200, b'{"status": "healthy", "ready": false}', 1, "healthy"),
        (503, b'{"status": "healthy", "ready": true}', 1, "healthy"),
        (200, b"ok", 1, "JSONDecodeError"),
        (200, b"[]", 1, "TypeError"),
        (200, b"{}", 1, "KeyError"),
    ],
)
def test_only_a_ready_server_passes(
    answering: Callable[[int, bytes], None],
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: bytes,
    code: int,
    printed: str,
) -> None:
    answering(status, body)
    assert healthcheck.main() == code
    assert printed in capsys.readouterr().out


def test_a_proxy_of_the_environment_variables_is_ignored(
    answering: Callable[[int, bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    answering(200, b'{"status": "healthy", "ready": true}')
    assert healthcheck.main() == 0


def test_nothing_listening_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PORT", "1")
    assert healthcheck.main() == 1
    assert "no answer on port 1: ConnectionRefusedError" in capsys.readouterr().out


def test_it_needs_only_the_standard_library() -> None:
    """With -I and -S there are no site-packages and no user site, so the mounted packages are not even looked at."""
    script = (
        f"import sys; sys.path.insert(0, {str(SERVER)!r}); import archon_server.healthcheck\n"
        "print({name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names - {'__main__'})"
    )
    found = subprocess.run([sys.executable, "-ISc", script], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "{'archon_server'}"
