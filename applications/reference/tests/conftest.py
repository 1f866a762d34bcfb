import importlib.util
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.testclient import TestClient

from archon_server.http.app import create_app
from archon_server.process.graceful_shutdown import GracefulShutdown
from archon_server.reranking import LoadReranker
from archon_server.settings import Model, Settings
from archon_server.storage import FINISHED
from archon_server.storage.sqlite import SqliteStorage
from tests.fakes import MODEL, WordReranker

ML_SECONDS = 900
ML_PACKAGES = ("torch", "transformers", "sentence_transformers")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "ml: needs torch and sentence-transformers; skipped where they are not installed"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("ml"):
            # On a busy machine it takes minutes to import torch and to train the tiny models.
            item.add_marker(pytest.mark.timeout(ML_SECONDS))
    missing = [package for package in ML_PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        for item in items:
            if item.get_closest_marker("ml"):
                item.add_marker(pytest.mark.skip(f"not installed: {', '.join(missing)}"))


def eventually(check: Callable[[], Any], seconds: float = 60) -> Any:
    """Waits for a true value of `check` and returns it."""
    deadline = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)
    return value


class Api:
    """A running application, with helpers for its API."""

    def __init__(self, client: TestClient, shutdown: GracefulShutdown) -> None:
        self.http = client
        self.shutdown = shutdown

    def upload(self, text: str | bytes, name: str = "notes.md", **form: str) -> dict[str, Any]:
        """Uploads, waits until the job has ended, and returns its last progress."""
        reply = self.http.post("/api/documents/upload", files={"file": (name, text)}, data=form)
        assert reply.status_code == 200, reply.text
        return self.ended(reply.json()["progressId"])

    def ended(self, progress_id: str) -> dict[str, Any]:
        def last() -> dict[str, Any] | None:
            body = self.http.get(f"/api/progress/{progress_id}").json()
            return body if body["status"] in FINISHED else None

        return eventually(last)

    def search(self, query: str, **options: Any) -> dict[str, Any]:
        reply = self.http.post("/api/rag/query", json={"query": query, **options})
        assert reply.status_code == 200, reply.text
        return reply.json()

    def metric(self, line: str) -> float:
        values = dict(row.rsplit(" ", 1) for row in self.http.get("/metrics").text.splitlines() if row[0] != "#")
        return float(values[line])


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    # Not at the top: it imports torch.
    from tests import tiny_models

    return tiny_models


@pytest.fixture(scope="session")
def written(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model, Model]:
    """A cache with a BERT cross-encoder and a Qwen3 reranker."""
    cache = tmp_path_factory.mktemp("home") / "hub"
    return cache, tiny.write_bert(cache), tiny.write_qwen3(cache)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, hub_dir=tmp_path / "hub")


@pytest.fixture
def serve(settings: Settings) -> Callable[..., Any]:
    """`with serve(load, **settings) as api` runs an application; without `load` it has no model."""

    @contextmanager
    def start(load: LoadReranker | None = None, **changes: Any) -> Iterator[Api]:
        models = {"models": (MODEL,), "active_model": MODEL} if load else {}
        changed = replace(settings, **models | changes)
        shutdown = GracefulShutdown()
        app = create_app(changed, SqliteStorage(changed.data_dir / "archon.db"), load, shutdown)
        with TestClient(app, raise_server_exceptions=False) as client:
            yield Api(client, shutdown)

    return start


@pytest.fixture
def reranker() -> WordReranker:
    return WordReranker()


@pytest.fixture
def api(serve: Callable[..., Any], reranker: WordReranker) -> Iterator[Api]:
    """An application with a working reranker that is ready."""
    with serve(lambda _: reranker.opened()) as api:
        eventually(lambda: api.http.get("/health").status_code == 200)
        yield api


@pytest.fixture
def rows(settings: Settings) -> Callable[[str], list[Any]]:
    """Queries the database directly."""

    def query(sql: str) -> list[Any]:
        with sqlite3.connect(settings.data_dir / "archon.db") as connection:
            return connection.execute(sql).fetchall()

    return query
