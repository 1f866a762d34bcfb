"""The baseline that the store records, and a server whose answers differ from it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archon_server.reranking import baseline, baseline_report, hf_cache
from archon_server.reranking.baseline import KNOWN_PAIRS
from archon_server.settings import Model, Settings
from tests.conftest import Api, eventually
from tests.fakes import MODEL, WordReranker, share, write_snapshot
from tests.processes import ServerProcess, python

FIRST = KNOWN_PAIRS[0][0]
RIGHT = share(FIRST, KNOWN_PAIRS[0][1])


def recorded(api: Api) -> dict[str, Any]:
    return api.http.get("/health/ml").json()["known_answer"]["recorded"]


def keep(settings: Settings, document: dict[str, Any], model: Model = MODEL) -> Path:
    """Writes the baseline as the store tool does."""
    path = hf_cache.baseline_path(settings.hub_dir, model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"format": 1, "recorded": "2026-01-02T03:04:05+00:00", **document}))
    return path


def test_a_later_server_must_give_the_answers_of_the_baseline(
    serve: Callable[..., Any], settings: Settings, reranker: WordReranker
) -> None:
    with serve(lambda _: reranker.opened(), environment_key="key") as api:
        eventually(lambda: api.http.get("/health").status_code == 200)
        assert recorded(api)["problem"] == "none recorded"
        [found] = baseline_report.baselines(api.http.get("/health/ml").json())
    document = found.pop("proof")
    assert found == {"name": MODEL.name, "repo": MODEL.repo, "revision": MODEL.revision}
    assert set(document) == {"answers", "device", "dtype", "environment"}
    assert (document["dtype"], document["environment"]) == ("words", "key")
    assert [answer["query"] for answer in document["answers"]] == [query for query, _ in KNOWN_PAIRS]

    path = keep(settings, document)
    with serve(lambda _: reranker.opened()) as api:
        eventually(lambda: api.http.get("/health").status_code == 200)
        assert (recorded(api)["largest_difference"], recorded(api)["problem"]) == (0.0, None)
        assert recorded(api)["answers"] == document["answers"]

    document["answers"][0]["right"] -= 0.2
    keep(settings, document)
    with serve(lambda _: reranker.opened()) as api:
        eventually(lambda: api.http.get("/health").json()["status"] == "failed")
        message = api.http.get("/health").json()["message"]
        assert f"{FIRST!r}: right passage {RIGHT:.4f} (recorded {RIGHT - 0.2:.4f})" in message
        assert reranker.closed
        path.unlink()
        eventually(lambda: api.http.get("/health").status_code == 200)


def test_a_variant_is_compared_with_the_baseline_of_its_source(
    serve: Callable[..., Any], settings: Settings, reranker: WordReranker
) -> None:
    source = Model("source", "tests/source", "a" * 40)
    folder = write_snapshot(settings.hub_dir, MODEL)
    origin = {"quant_method": "archon-int8", "from": f"{source.repo}@{source.revision}"}
    (folder / "config.json").write_text(json.dumps({"quantization_config": origin}))
    answers = [vars(answer) for answer in baseline.check_known_answers(reranker)]
    document = {"answers": answers, "device": "cpu", "dtype": "float32", "environment": "e"}
    path = keep(settings, document, source)
    with serve(lambda _: reranker.opened()) as api:
        eventually(lambda: api.http.get("/health").status_code == 200)
        assert recorded(api)["largest_difference"] == 0.0
    answers[0]["right"] -= 0.2
    assert keep(settings, document, source) == path
    with serve(lambda _: reranker.opened()) as api:
        eventually(lambda: api.http.get("/health").json()["status"] == "failed")
        assert "differently than in the baseline of" in api.http.get("/health").json()["message"]


def test_a_server_that_is_not_ready_has_no_baseline() -> None:
    with pytest.raises(baseline_report.NotReady, match="the reranker is failed: out of memory"):
        baseline_report.baselines({"status": "failed", "error": "out of memory", "models": []})


@pytest.mark.parametrize("token", ["", "s3cret"])
def test_the_command_asks_the_server_of_its_container(tmp_path: Path, token: str) -> None:
    server = ServerProcess(tmp_path, api_token=token, environment_key="key")
    try:
        server.ready()
        command = python("archon_server.proof", environment={"PORT": str(server.port), "ARCHON_API_TOKEN": token})
        output, _ = command.communicate(timeout=20)
        assert command.returncode == 0
        [model] = json.loads(output)["models"]
        assert (model["repo"], model["proof"]["environment"], len(model["proof"]["answers"])) == (MODEL.repo, "key", 3)
    finally:
        server.close()
    command = python("archon_server.proof", environment={"PORT": str(server.port)})
    output, _ = command.communicate(timeout=20)
    assert (command.returncode, output.startswith("archon_server.proof: ConnectionRefusedError")) == (1, True)
