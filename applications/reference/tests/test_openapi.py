"""The schema of the API, from which the page's types are generated."""

import json
from pathlib import Path

from archon_server.http.schemas import Progress
from tests.conftest import Api
from tests.processes import SERVER, python


def test_the_pages_copy_is_the_schema_of_this_server(tmp_path: Path) -> None:
    """It is printed without models, without torch and without settings, and nothing is left behind."""
    process = python("archon_server.http.openapi", environment={"HOME": str(tmp_path)}, cwd=tmp_path)
    output, _ = process.communicate(timeout=120)

    assert process.returncode == 0, output
    assert json.loads(output) == json.loads((SERVER / "page" / "openapi.json").read_text()), (
        "update the copy: page/src/api/types.ts says how"
    )
    assert list(tmp_path.iterdir()) == []


def test_every_json_answer_of_the_api_is_described(api: Api) -> None:
    schema = api.http.get("/openapi.json").json()

    undescribed = [
        f"{method} {path}"
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        for status, response in operation["responses"].items()
        if status.startswith("2") and response["content"]["application/json"]["schema"] == {}
    ]

    # Prometheus has a format of its own.
    assert undescribed == ["get /metrics"]


def test_progress_is_as_described(api: Api) -> None:
    """Its route answers with the stored body as it is, so nothing else compares it with the schema."""
    body = api.upload("Sea otters hold hands.")

    described = Progress.model_validate(body)

    assert described.model_dump(exclude_unset=True) == body
