"""Searches, as a client sees them."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Api, eventually
from tests.fakes import MODEL, WordReranker

TEXT = "\n\n".join(
    f"## Topic {n}\n\nOtter otter otter. " + ("Otters hold paws while they sleep." if n == 7 else "Filler.")
    for n in range(30)
)
QUERY = "otter paws while they sleep"


def test_the_best_of_many_candidates_come_back_with_scores_before_and_after(api: Api, reranker: WordReranker) -> None:
    stored = api.upload(TEXT, tags='["zoo"]', knowledge_type="business")
    reranker.scored.clear()
    body = api.search(QUERY, match_count=3)

    results = body.pop("results")
    timings = body.pop("timings")
    assert body == {
        "success": True,
        "query": QUERY,
        "source": None,
        "match_count": 3,
        "total_found": 3,
        "execution_path": "rag_service_pipeline",
        "search_mode": "keyword",
        "search_error": None,
        "return_mode": "chunks",
        "reranking_enabled": True,
        "reranking_applied": True,
        "reranking_error": None,
        "reranking_notice": None,
        "model": MODEL.name,
    }
    assert set(timings) == {"retrieval_ms", "rerank_ms", "total_ms"}
    assert timings["total_ms"] >= timings["rerank_ms"] > 0
    assert {query for query, _ in reranker.scored} == {QUERY}
    assert [len(batch) for _, batch in reranker.scored] == [8, 7]

    best = results[0]
    text = "## Topic 7\n\nOtter otter otter. Otters hold paws while they sleep."
    assert (best["content"], best["rerank_score"]) == (text, 1.0)
    assert 0 < best["similarity_score"] < 1
    assert best["metadata"] == {
        "url": "file://notes.md",
        "tags": ["zoo"],
        "source": "notes.md",
        "source_id": stored["sourceId"],
        "source_type": "file",
        "knowledge_type": "business",
        "filename": "notes.md",
        "headers": "Topic 7",
        "has_code": False,
        "has_links": False,
        "chunk_index": 7,
        "chunk_size": len(text),
        "char_count": len(text),
        "line_count": 3,
        "word_count": 12,
    }
    scores = [result["rerank_score"] for result in results]
    assert scores == sorted(scores, reverse=True)


def test_equal_scores_keep_the_order_of_retrieval(api: Api) -> None:
    api.upload("otter\n\n# A\n\notter otter fish\n\n# B\n\notter fish bird snake")
    results = api.search("otter")["results"]
    similarities = [result["similarity_score"] for result in results]
    assert len(similarities) == 3
    assert similarities == sorted(similarities, reverse=True)


def test_a_passage_is_scored_with_the_headings_it_stands_under(api: Api, reranker: WordReranker) -> None:
    api.upload("# Server\n\n## Timeout\n\n" + "Filler text. " * 60 + "\n\n" + "It is thirty seconds. " * 30)
    api.search("thirty seconds timeout")
    assert any(text.startswith("Server > Timeout\nIt is thirty") for text in reranker.scored[-1][1])


@pytest.mark.parametrize("path", ["/api/rag/query", "/api/knowledge-items/search", "/api/knowledge/search"])
def test_three_paths_lead_to_the_same_search(api: Api, path: str) -> None:
    api.upload("otters")
    body = api.http.post(path, json={"query": "otter", "return_mode": "pages"}).json()
    assert (body["total_found"], body["return_mode"]) == (1, "chunks")


def test_a_source_narrows_the_search(api: Api) -> None:
    first = api.upload("otters", "a.md")
    api.upload("otters", "b.md")
    results = api.search("otter", source=first["sourceId"])["results"]
    assert [result["metadata"]["filename"] for result in results] == ["a.md"]


def test_without_results_there_is_no_reranking(api: Api) -> None:
    body = api.search("otter")
    assert (body["results"], body["reranking_applied"], body["reranking_error"]) == ([], False, None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": ""},
        {"query": " \n"},
        {"query": "x" * 2001},
        {"query": 5},
        {"query": "x", "match_count": 0},
        {"query": "x", "match_count": 101},
        {"query": "x", "return_mode": "books"},
    ],
)
def test_a_bad_question_is_refused(api: Api, body: dict[str, Any]) -> None:
    reply = api.http.post("/api/rag/query", json=body)
    assert reply.status_code == 422
    assert reply.json()["detail"]


@pytest.mark.parametrize(
    "body", [b"{", b'{"query": "\\ud800"}', b'{"query": "x", "source": "\\ud800"}', b"\xff", b"[" * 100_000, b'"x"']
)
def test_damaged_json_is_the_clients_fault(api: Api, body: bytes) -> None:
    reply = api.http.post("/api/rag/query", content=body, headers={"content-type": "application/json"})
    assert 400 <= reply.status_code < 500
    assert reply.json()["detail"]


@pytest.mark.parametrize(
    "query", ['"', "AND", "a* OR (b", "NEAR(x, 5)", "col:x", "-", "'; DROP TABLE chunks; --", "😀"]
)
def test_a_question_is_never_read_as_a_query_language(api: Api, query: str) -> None:
    api.upload("otters and a b x")
    assert api.search(query)["success"] is True


def test_without_a_model_results_are_unranked_and_the_answer_says_so(serve: Callable[..., Any]) -> None:
    with serve() as api:
        api.upload(TEXT)
        body = api.search("otter", match_count=3)
        assert (body["reranking_applied"], body["reranking_error"], body["model"]) == (False, None, None)
        assert len(body["results"]) == 3
        assert all("rerank_score" not in result for result in body["results"])


def test_while_the_model_loads_results_are_unranked_and_the_answer_says_so(serve: Callable[..., Any]) -> None:
    let_go = threading.Event()

    def load(_: object) -> WordReranker:
        let_go.wait(10)
        return WordReranker()

    with serve(load) as api:
        api.upload("otters")
        body = api.search("otter")
        assert (body["reranking_applied"], body["reranking_error"]) == (False, "Reranking is loading")
        assert "rerank_score" not in body["results"][0]
        let_go.set()
        eventually(lambda: api.search("otter")["reranking_applied"])


def test_searches_survive_a_failing_model_and_it_recovers(api: Api, reranker: WordReranker) -> None:
    api.upload("otters")
    reranker.broken = RuntimeError("out of memory")
    body = api.search("otter")
    assert (body["reranking_applied"], body["reranking_error"]) == (False, "RuntimeError: out of memory")
    assert len(body["results"]) == 1
    assert "rerank_score" not in body["results"][0]

    health = api.http.get("/health")
    assert health.status_code == 200
    assert health.json()["status"] == "healthy"
    assert health.json()["reranking"] == {
        "status": "degraded",
        "model": MODEL.name,
        "default": MODEL.name,
        "error": "RuntimeError: out of memory",
        "notice": None,
    }
    assert api.metric('archon_rerank_failures_total{stage="score"}') == 1
    assert api.metric("archon_reranker_ready") == 0
    eventually(lambda: api.metric('archon_rerank_failures_total{stage="load"}') >= 1)
    assert api.search("otter")["reranking_applied"] is False

    reranker.broken = None
    eventually(lambda: api.search("otter")["reranking_applied"])
    assert api.http.get("/health").json()["reranking"]["status"] == "ready"


@pytest.mark.parametrize("scores", [[], [float("nan")], [1.5], [0.1, 0.2]])
def test_invalid_scores_are_not_passed_on(serve: Callable[..., Any], scores: list[float]) -> None:
    class Odd(WordReranker):
        def score(self, query: str, passages: Any) -> list[float]:
            return scores if query == "otter" else super().score(query, passages)

    odd = Odd()
    with serve(lambda _: odd) as api:
        api.upload("otters")
        eventually(lambda: api.http.get("/health").status_code == 200)
        body = api.search("otter")
        assert body["reranking_applied"] is False
        assert "ValueError: the model gave" in body["reranking_error"]
        # The model still passes the baseline check, so the question was at fault and the model stays loaded.
        eventually(lambda: api.search("otters")["reranking_applied"], 5)


def test_the_event_loop_is_free_while_the_model_scores(api: Api, reranker: WordReranker) -> None:
    api.upload("otters")
    answers: list[dict[str, Any]] = []
    search = threading.Thread(target=lambda: answers.append(api.search("otter")))
    with reranker.held():
        search.start()
        eventually(lambda: api.metric("archon_retrieval_seconds_count") == 1)
        assert api.http.get("/health").status_code == 200
        assert answers == []
    search.join()
    assert answers[0]["reranking_applied"] is True
    # The other thread loads the model and asks the known questions.
    assert reranker.threads == {"loader_0", "reranker_0"}


def test_too_many_searches_are_refused_with_a_time_to_retry(api: Api, reranker: WordReranker) -> None:
    api.upload("otters")
    replies: list[Any] = []

    def search() -> None:
        replies.append(api.http.post("/api/rag/query", json={"query": "otter"}))

    threads = [threading.Thread(target=search) for _ in range(20)]
    with reranker.held():
        for thread in threads:
            thread.start()
        eventually(lambda: len(replies) == 4)
    for thread in threads:
        thread.join()
    refused = [reply for reply in replies if reply.status_code == 429]
    assert len(refused) == 4
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)
    assert all(reply.json()["reranking_applied"] for reply in replies if reply.status_code == 200)
    assert api.search("otter")["reranking_applied"] is True


def test_a_search_reports_the_rank_that_retrieval_gave_each_passage(api: Api) -> None:
    api.upload(TEXT)
    plain = [result["id"] for result in api.search(QUERY, match_count=15, rerank=False)["results"]]
    ranks = {result["id"]: result["retrieval_rank"] for result in api.search(QUERY, match_count=3)["results"]}
    assert ranks == {id_: plain.index(id_) + 1 for id_ in ranks}
    assert len(ranks) == 3


def test_a_search_can_switch_reranking_off_whatever_the_settings_say(api: Api, reranker: WordReranker) -> None:
    api.upload(TEXT)
    reranker.scored.clear()
    plain = api.search(QUERY, rerank=False)
    assert (plain["reranking_applied"], plain["reranking_error"], reranker.scored) == (False, None, [])
    assert [result["retrieval_rank"] for result in plain["results"]] == [1, 2, 3, 4, 5]
    assert all("rerank_score" not in result for result in plain["results"])

    assert api.http.put("/api/credentials/USE_RERANKING", json={"value": "false"}).status_code == 200
    assert api.search(QUERY)["reranking_applied"] is False
    assert api.search(QUERY, rerank=True)["reranking_applied"] is True
