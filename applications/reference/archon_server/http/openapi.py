"""`python -m archon_server.http.openapi`: prints the API's schema, from which the page's types are generated.

Needs neither models nor environment variables: the application is created on an empty data directory and never started.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from ..process.graceful_shutdown import GracefulShutdown
from ..settings import Settings
from ..storage.sqlite import SqliteStorage
from .app import create_app


def schema() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        storage = SqliteStorage(path / "archon.db")
        try:
            settings = Settings(data_dir=path, hub_dir=path / "hub", page_dir=path / "page")
            return create_app(settings, storage, _no_model, GracefulShutdown()).openapi()
        finally:
            storage.close()


def _no_model(model: object) -> Any:
    raise AssertionError(f"no model is loaded for the schema, but {model} was asked for")


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
