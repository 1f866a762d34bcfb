"""Servers as separate processes, which tests stop and kill."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from archon_server.settings import Model
from tests.conftest import eventually
from tests.fakes import MODEL

SERVER = Path(__file__).parents[1]


def python(module: str, *, environment: dict[str, str], **options: Any) -> subprocess.Popen[str]:
    """Starts `python -m module` with the server's sources and without this process's ARCHON_ variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARCHON_")}
    path = os.pathsep.join(filter(None, [str(SERVER), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", module],
        env=inherited | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class ServerProcess:
    """`tests.fakes` on `data_dir`. `settings` are ARCHON_ variables, `fake` FAKE_ variables, without the prefix."""

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        fake: dict[str, Any] | None = None,
        models: Iterable[Model] = (MODEL,),
        **settings: Any,
    ) -> None:
        self.port = port or free_port()
        self.process = python(
            "tests.fakes",
            environment={
                "PORT": str(self.port),
                "ARCHON_DATA_DIR": str(data_dir),
                "ARCHON_MODELS": json.dumps([vars(model) for model in models]),
                "ARCHON_DRAIN_SECONDS": "0",
                **{f"ARCHON_{name.upper()}": str(value) for name, value in settings.items()},
                **{f"FAKE_{name.upper()}": str(value) for name, value in (fake or {}).items()},
            },
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)

    def ready(self) -> "ServerProcess":
        eventually(lambda: self.status() == 200)
        return self

    def status(self) -> int | None:
        """Of /health; None if nothing answers there."""
        try:
            return self.http.get("/health").status_code
        except httpx.TransportError:
            assert self.process.poll() is None, self.process.stdout.read()
            return None

    def begin_upload(self, text: str, name: str = "notes.md") -> str:
        reply = self.http.post("/api/documents/upload", files={"file": (name, text)})
        assert reply.status_code == 200, reply.text
        return reply.json()["progressId"]

    def progress(self, progress_id: str) -> dict[str, Any]:
        return self.http.get(f"/api/progress/{progress_id}").json()

    def ended(self, progress_id: str) -> dict[str, Any]:
        return eventually(lambda: (body := self.progress(progress_id))["status"] in ("completed", "error") and body, 30)

    def search(self, query: str) -> dict[str, Any]:
        return self.http.post("/api/rag/query", json={"query": query}).json()

    def open_files(self) -> Iterator[str]:
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                yield str(link.readlink())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.http.close()
        self.kill()
        self.process.stdout.close()
