"""How the server reports whether it is fit for traffic, and why not."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from archon_server.reranking import ModelError, UnusableModel
from archon_server.reranking.baseline import KNOWN_PAIRS
from archon_server.reranking.managed_model import FIRST_RETRY_SECONDS
from tests.conftest import Api, eventually
from tests.fakes import MODEL, WordReranker


class Wrong(WordReranker):
    """Gives a passage a lower score the better it fits."""

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        return [1 - score for score in super().score(query, passages)]


class Panic(BaseException):
    """A panic of a Rust library, which is not an Exception."""


def health(api: Api) -> tuple[int, dict[str, Any]]:
    reply = api.http.get("/health")
    return reply.status_code, reply.json()


def failed(api: Api) -> dict[str, Any]:
    def body() -> dict[str, Any] | None:
        status, body = health(api)
        assert status == 503
        return body if body["status"] == "failed" else None

    return eventually(body)


@pytest.fixture
def slow() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_server_without_models_is_healthy_and_reports_it(serve: Callable[..., Any]) -> None:
    with serve(release="r1", service="main") as api:
        status, body = health(api)
        assert status == 200
        assert body.pop("timestamp")
        assert body == {
            "status": "healthy",
            "service": "archon-backend",
            "ready": True,
            "credentials_loaded": True,
            "schema_valid": True,
            "release": "r1",
            "service_name": "main",
            "reranking": {
                "status": "not configured",
                "model": None,
                "default": None,
                "error": None,
                "notice": None,
            },
        }


def test_not_ready_until_the_model_has_passed_the_baseline_check(
    serve: Callable[..., Any], slow: threading.Event, reranker: WordReranker
) -> None:
    def load(_: object) -> WordReranker:
        slow.wait(10)
        return reranker

    with serve(load) as api:
        status, body = health(api)
        assert (status, body["status"], body["ready"]) == (503, "initializing", False)
        assert body["message"] == "The reranker is being loaded"
        slow.set()
        eventually(lambda: health(api)[0] == 200)
        assert [query for query, _ in reranker.scored] == [query for query, _ in KNOWN_PAIRS]


def test_a_model_that_fails_the_baseline_check_is_never_used(serve: Callable[..., Any]) -> None:
    loads = []

    def load(model: object) -> WordReranker:
        loads.append(model)
        return Wrong()

    with serve(load) as api:
        api.upload("otters")
        body = failed(api)
        assert body["ready"] is False
        assert "does not put known passages first ('How do bees make honey?': right passage 0." in body["message"]
        assert body["reranking"] == {
            "status": "failed",
            "model": MODEL.name,
            "default": MODEL.name,
            "error": body["message"],
            "notice": None,
        }
        found = api.search("otter")
        assert (found["reranking_applied"], found["reranking_error"]) == (False, body["message"])
        assert api.http.get("/health/ml").json()["known_answer"] == {
            "passed": False,
            "questions": [],
            "recorded": None,
        }
    assert loads == [MODEL]


@pytest.mark.parametrize("score", [0.5, float("nan"), 2.0])
def test_a_model_that_cannot_score_is_not_ready(serve: Callable[..., Any], score: float) -> None:
    class Same(WordReranker):
        def score(self, query: str, passages: Sequence[str]) -> list[float]:
            return [score] * len(passages)

    with serve(lambda _: Same()) as api:
        assert failed(api)["message"]


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (ModelError("it is not there"), "it is not there"),
        (OSError("no such file"), "OSError: no such file"),
        (Panic("bad tokenizer"), "RuntimeError: Panic: bad tokenizer"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_reported_and_retried(
    serve: Callable[..., Any], reranker: WordReranker, problem: BaseException, message: str
) -> None:
    outcomes = iter([problem])

    def load(_: object) -> WordReranker:
        for outcome in outcomes:
            raise outcome
        return reranker

    with serve(load) as api:
        assert failed(api)["message"] == message
        assert api.metric('archon_rerank_failures_total{stage="load"}') == 1
        eventually(lambda: health(api)[0] == 200)


def test_what_a_retry_cannot_fix_is_not_retried(serve: Callable[..., Any]) -> None:
    attempts = []

    def load(_: object) -> WordReranker:
        attempts.append(1)
        raise UnusableModel("torch not installed")

    with serve(load) as api:
        assert failed(api)["message"] == "torch not installed"
        time.sleep(FIRST_RETRY_SECONDS + 0.3)
    assert attempts == [1]


def test_a_model_that_fails_in_use_is_loaded_again(serve: Callable[..., Any]) -> None:
    class Decaying(WordReranker):
        def score(self, query: str, passages: Sequence[str]) -> list[float]:
            if query == "otter":
                self.rotten = True
                raise RuntimeError("broken pipe")
            return [0.5] * len(passages) if hasattr(self, "rotten") else super().score(query, passages)

    fresh = WordReranker()
    models = iter([Decaying(), fresh])
    with serve(lambda _: next(models)) as api:
        eventually(lambda: health(api)[0] == 200)
        api.upload("otters")
        assert api.search("otter")["reranking_error"] == "RuntimeError: broken pipe"

        def recovered() -> bool:
            status, body = health(api)
            assert status == 200
            return body["reranking"]["status"] == "ready"

        eventually(recovered)
        assert api.search("otter")["reranking_applied"] is True
        assert fresh.scored[-1][0] == "otter"


def test_a_draining_server_is_not_ready_but_still_answers(api: Api) -> None:
    api.shutdown.request()
    status, body = health(api)
    assert (status, body["status"], body["ready"]) == (503, "draining", False)
    assert api.upload("otters")["status"] == "completed"
    assert api.search("otter")["reranking_applied"] is True


def test_health_of_the_reranking_lists_what_it_runs_on(serve: Callable[..., Any], reranker: WordReranker) -> None:
    with serve(lambda _: reranker, environment_key="key") as api:
        eventually(lambda: health(api)[0] == 200)
        body = api.http.get("/health/ml").json()
        assert set(body.pop("versions")) == {"python", "torch", "transformers", "sentence-transformers"}
        [model] = body.pop("models")
        assert model == {name: body[name] for name in model}
        assert body.pop("load_seconds") > 0
        answer = body.pop("known_answer")
        assert body == {
            "status": "ready",
            "error": None,
            "environment_key": "key",
            "default": MODEL.name,
            "chosen": None,
            "notice": None,
            "model": {"name": MODEL.name, "repo": MODEL.repo, "revision": MODEL.revision, "variant": "auto"},
            "memory_bytes": 1000,
            "device": "none",
            "dtype": "words",
            "threads": 1,
            "cuda_available": False,
        }
        assert answer["passed"] is True
        assert [question["query"] for question in answer["questions"]] == [query for query, _ in KNOWN_PAIRS]
        assert all(question["right"] > question["best_other"] for question in answer["questions"])
