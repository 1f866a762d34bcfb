"""Packages that break and are repaired, with a server process and fake packages."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import eventually
from tests.fakes import MODEL, write_snapshot
from tests.processes import SERVER, free_port, python


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Fake packages with the right names and versions; torch is damaged."""
    folder = tmp_path / "packages"
    for name, version in (("torch", "2.9"), ("transformers", "5.9"), ("sentence_transformers", "6.0")):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("")
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    (folder / "torch" / "__init__.py").write_text("damaged(")
    return folder


@pytest.fixture
def server(tmp_path: Path, packages: Path) -> Iterator[tuple[httpx.Client, object]]:
    write_snapshot(tmp_path / "home" / "hub", MODEL)
    port = free_port()
    process = python(
        "archon_server",
        environment={
            "PORT": str(port),
            "PYTHONPATH": os.pathsep.join([str(packages), str(SERVER), os.environ.get("PYTHONPATH", "")]),
            "ARCHON_DATA_DIR": str(tmp_path),
            "HF_HOME": str(tmp_path / "home"),
            "ARCHON_MODELS": json.dumps([vars(MODEL)]),
            "ARCHON_DRAIN_SECONDS": "0",
        },
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
        yield http, process
    process.kill()
    process.communicate()


def test_a_server_whose_packages_are_repaired_ends_so_that_a_new_process_imports_them(
    server: tuple[httpx.Client, object], packages: Path
) -> None:
    http, process = server

    def failed() -> bool:
        try:
            return http.get("/health").json()["status"] == "failed"
        except httpx.TransportError:
            assert process.poll() is None, process.stdout.read()
            return False

    eventually(failed, 30)
    assert "The environment cannot be imported (SyntaxError" in http.get("/health").json()["message"]
    reply = http.post("/api/rag/query", json={"query": "otter"})
    assert (reply.status_code, reply.json()["reranking_applied"]) == (200, False)
    (packages / "torch" / "__init__.py").write_text("")
    # In a container, the engine would start it again.
    assert process.wait(60) == 0
    assert "the packages can be imported again" in process.stdout.read()
