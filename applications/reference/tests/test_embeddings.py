"""Vectors from an OpenAI-compatible API on the loopback, and how they change searches."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from archon_server.embeddings import client
from archon_server.search.ranking import fuse_rankings
from archon_server.storage import Document, StoredPassage
from tests.conftest import Api, eventually

KEY = "sk-otter"
MEANINGS = (("otter", "animal", "fur"), ("car", "vehicle", "engine"), ("bread", "food", "oven"))


class Endpoint:
    """An API with three meanings: a text's vector counts the words of each. `requests` holds the inputs of each."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.headers: list[str | None] = []
        self.answer: Callable[[list[str]], Any] = self.vectors
        self.status = 200
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                endpoint.requests.append(body["input"])
                endpoint.headers.append(self.headers["authorization"])
                known = self.path == "/v1/embeddings" and body["model"] in ("meanings", "others")
                answer = json.dumps(endpoint.answer(body["input"])).encode()
                self.send_response(endpoint.status if known else 404)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @staticmethod
    def vectors(texts: list[str]) -> dict[str, Any]:
        def vector(text: str) -> list[float]:
            return [0.01 + sum(text.lower().count(word) for word in words) for words in MEANINGS]

        rows = [{"index": index, "embedding": vector(text)} for index, text in enumerate(texts)]
        # An API may answer in any order.
        return {"data": rows[::-1]}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


def save(api: Api, **values: str) -> None:
    for key, value in values.items():
        reply = api.http.put(f"/api/credentials/{key}", json={"value": value})
        assert reply.status_code == 200, reply.text


@pytest.fixture
def configured(api: Api, endpoint: Endpoint) -> Api:
    """An application with vectors and without reranking, so that results keep retrieval's order."""
    save(api, LLM_BASE_URL=endpoint.url, EMBEDDING_MODEL="meanings", OPENAI_API_KEY=KEY, USE_RERANKING="false")
    return api


TEXT = "# Otter\n\nIt has thick fur.\n\n# Car\n\nIts engine is loud.\n\n# Bread\n\nComes from an oven."


def found(body: dict[str, Any]) -> list[str]:
    return [result["metadata"]["headers"] for result in body["results"]]


def test_what_shares_a_meaning_but_no_word_is_found(configured: Api, endpoint: Endpoint) -> None:
    body = configured.upload(TEXT)
    assert (body["status"], body["vectorsStored"]) == ("completed", 3), body
    reply = configured.search("vehicle")
    assert (reply["search_mode"], reply["search_error"], found(reply)[0]) == ("hybrid", None, "Car")
    assert endpoint.requests[0][1] == "Car\n# Car\n\nIts engine is loud."
    assert endpoint.requests[-1] == ["vehicle"]
    assert set(endpoint.headers) == {f"Bearer {KEY}"}


def test_words_and_vectors_are_fused_then_reranked(configured: Api) -> None:
    configured.upload(TEXT)
    reply = configured.search("a loud animal")
    assert set(found(reply)[:2]) == {"Car", "Otter"}
    similarities = [result["similarity_score"] for result in reply["results"]]
    assert 1 >= similarities[0] >= similarities[-1] > 0
    save(configured, USE_RERANKING="true")
    reply = configured.search("loud engine")
    assert (reply["reranking_applied"], reply["search_mode"], found(reply)[0]) == (True, "hybrid", "Car")


def test_without_hybrid_search_only_vectors_count(configured: Api) -> None:
    configured.upload(TEXT)
    save(configured, USE_HYBRID_SEARCH="false")
    reply = configured.search("vehicle thick", match_count=1)
    assert (reply["search_mode"], found(reply)) == ("vector", ["Car"])
    assert 0 < reply["results"][0]["similarity_score"] <= 1


def test_a_source_limits_the_search_by_vectors(configured: Api) -> None:
    configured.upload("A car", "a.md")
    other = configured.upload("Bread", "b.md")["sourceId"]
    results = configured.search("vehicle", source=other)["results"]
    assert [result["metadata"]["filename"] for result in results] == ["b.md"]


@pytest.mark.parametrize(
    ("status", "answer", "problem"),
    [
        (500, {}, "answered 500 for meanings"),
        (401, {}, "answered 401 for meanings"),
        (200, {}, "gave no vectors"),
        (200, [], "gave no vectors"),
        (200, {"data": []}, "gave no vectors"),
        (200, {"data": [{"index": 0, "embedding": []}]}, "gave no vectors"),
        (200, {"data": [{"index": 0, "embedding": ["x"]}]}, "gave no vectors"),
        (200, {"data": [{"index": 0, "embedding": [float("nan")]}]}, "gave no vectors"),
        (200, {"data": [{"index": 0, "embedding": [0, 0]}]}, "gave no vectors"),
    ],
)
def test_if_the_endpoint_fails_the_search_uses_words(
    configured: Api, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, status: int, answer: Any, problem: str
) -> None:
    configured.upload(TEXT)
    endpoint.status, endpoint.answer = status, lambda _: answer
    reply = configured.search("loud")
    assert (reply["search_mode"], found(reply)) == ("keyword", ["Car"])
    assert problem in reply["search_error"]
    assert KEY not in reply["search_error"]
    body = configured.upload("A later otter", "late.md")
    assert body["status"] == "completed"
    assert "for now without vectors" in body["message"]
    assert configured.search("later")["total_found"] == 1

    # The endpoint gets no request until RETRY_SECONDS have passed.
    before = len(endpoint.requests)
    endpoint.status, endpoint.answer = 200, endpoint.vectors
    assert configured.search("loud")["search_mode"] == "keyword"
    assert len(endpoint.requests) == before
    monkeypatch.setattr(client, "RETRY_SECONDS", 0)
    assert configured.search("vehicle")["search_mode"] == "hybrid"


def test_a_missing_endpoint_is_named(configured: Api, endpoint: Endpoint) -> None:
    configured.upload(TEXT)
    endpoint.close()
    reply = configured.search("loud")
    assert (reply["search_mode"], found(reply)) == ("keyword", ["Car"])
    assert f"{endpoint.url}/embeddings does not answer" in reply["search_error"]


def test_documents_stored_before_get_vectors_when_an_endpoint_is_configured(
    api: Api, endpoint: Endpoint, rows: Callable[[str], list[Any]]
) -> None:
    text = "\n\n".join(f"# Otter {n}\n\nfur" for n in range(70))
    api.upload(text)
    save(api, LLM_BASE_URL=endpoint.url, EMBEDDING_MODEL="meanings")
    eventually(lambda: rows("SELECT count(*) FROM chunk_vectors") == [(70,)])
    assert [len(batch) for batch in endpoint.requests] == [32, 32, 6]
    save(api, EMBEDDING_MODEL="others")
    eventually(lambda: rows("SELECT count(*) FROM chunk_vectors WHERE model = 'others'") == [(70,)])


def refuse(endpoint: Endpoint, status: int, refused: Callable[[list[str]], bool]) -> None:
    """The endpoint answers `status` to such inputs."""

    def answer(texts: list[str]) -> Any:
        endpoint.status = status if refused(texts) else 200
        return endpoint.vectors(texts)

    endpoint.answer = answer


SECTIONS = "\n\n".join(f"# Otter {n}\n\nfur {'poison' if n in (3, 40) else ''}" for n in range(70))


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_a_passage_that_the_endpoint_refuses_stops_no_other(
    configured: Api, endpoint: Endpoint, rows: Callable[[str], list[Any]], status: int
) -> None:
    refuse(endpoint, status, lambda texts: any("poison" in text for text in texts))
    body = configured.upload(SECTIONS)
    assert (body["status"], body["vectorsStored"], body["withoutVector"]) == ("completed", 68, [3, 40]), body
    assert (
        f"2 of them get no vector, and are found by words only: {endpoint.url}/embeddings answered {status}"
        in (body["message"])
    )
    assert configured.metric("archon_chunks_without_vector") == 2
    assert rows("SELECT count(*) FROM chunk_vectors") == [(68,)]

    # Neither is asked for again, and a whole batch fits again.
    asked = len(endpoint.requests)
    assert configured.upload("\n\n".join(f"# Car {n}\n\nx" for n in range(30)))["vectorsStored"] == 30
    assert [len(batch) for batch in endpoint.requests[asked:]] == [30]


def test_a_failure_that_passes_marks_no_passage_and_makes_no_request_smaller(
    configured: Api, endpoint: Endpoint
) -> None:
    failures = iter([500])

    def answer(texts: list[str]) -> Any:
        endpoint.status = next(failures, 200)
        return endpoint.vectors(texts)

    endpoint.answer = answer
    body = configured.upload("# Otter\n\nfur")
    assert (body["vectorsStored"], body.get("withoutVector")) == (1, None), body

    failures = iter([500])
    assert configured.upload(SECTIONS)["vectorsStored"] == 70
    asked = len(endpoint.requests)
    assert configured.upload(SECTIONS.replace("fur", "claws"))["vectorsStored"] == 70
    assert [len(batch) for batch in endpoint.requests[asked:]] == [32, 32, 6]


def test_a_refused_passage_of_an_earlier_document_does_not_stop_the_background(
    api: Api, endpoint: Endpoint, rows: Callable[[str], list[Any]]
) -> None:
    api.upload(SECTIONS)
    refuse(endpoint, 413, lambda texts: any("poison" in text for text in texts))
    save(api, LLM_BASE_URL=endpoint.url, EMBEDDING_MODEL="meanings")
    eventually(lambda: rows("SELECT count(*) FROM chunk_vectors") == [(68,)])
    # Another endpoint is asked for what this one refuses.
    other = Endpoint()
    save(api, LLM_BASE_URL=other.url)
    eventually(lambda: rows("SELECT count(*) FROM chunk_vectors") == [(70,)])
    assert [len(batch) for batch in other.requests] == [2]
    assert api.metric("archon_chunks_without_vector") == 0
    other.close()


@pytest.mark.parametrize("most", [1, 8, 10, 31])
def test_the_size_of_a_request_adapts_to_the_endpoint(configured: Api, endpoint: Endpoint, most: int) -> None:
    refuse(endpoint, 400, lambda texts: len(texts) > most)
    body = configured.upload(SECTIONS)
    assert (body["vectorsStored"], body.get("withoutVector")) == (70, None), body
    asked = len(endpoint.requests)
    configured.upload(SECTIONS)
    assert all(len(batch) <= most for batch in endpoint.requests[asked:])


def test_the_size_of_a_request_in_bytes_adapts_too(configured: Api, endpoint: Endpoint) -> None:
    refuse(endpoint, 413, lambda texts: sum(map(len, texts)) > 300)
    assert configured.upload(SECTIONS)["vectorsStored"] == 70


def test_a_text_without_a_finite_vector_stops_no_other(configured: Api, endpoint: Endpoint) -> None:
    def answer(texts: list[str]) -> Any:
        reply = endpoint.vectors(texts)
        for row in reply["data"]:
            if "poison" in texts[row["index"]]:
                row["embedding"][0] = float("nan")
        return reply

    endpoint.answer = answer
    body = configured.upload(SECTIONS)
    assert (body["vectorsStored"], body["withoutVector"]) == (68, [3, 40])


def test_an_endpoint_that_refuses_everything_is_not_the_passages_fault(
    configured: Api, endpoint: Endpoint, rows: Callable[[str], list[Any]]
) -> None:
    endpoint.status = 400
    body = configured.upload(SECTIONS)
    assert "for now without vectors" in body["message"]
    assert "withoutVector" not in body
    assert rows("SELECT count(*) FROM chunks_without_vector") == [(0,)]
    assert len(endpoint.requests) == 7
    endpoint.status = 200
    save(configured, EMBEDDING_MODEL="meanings")
    eventually(lambda: rows("SELECT count(*) FROM chunk_vectors") == [(70,)])


def test_a_question_that_the_endpoint_refuses_stops_no_other(configured: Api, endpoint: Endpoint) -> None:
    configured.upload(TEXT)
    refuse(endpoint, 413, lambda texts: any("poison" in text for text in texts))
    asked = len(endpoint.requests)
    assert "answered 413" in configured.search("poison")["search_error"]
    configured.search("vehicle")
    assert endpoint.requests[asked:] == [["poison"], ["vehicle"]]


def test_vectors_are_deleted_with_their_document(configured: Api, rows: Callable[[str], list[Any]]) -> None:
    source_id = configured.upload(TEXT)["sourceId"]
    assert rows("SELECT count(*) FROM chunk_vectors") == [(3,)]
    configured.http.delete(f"/api/knowledge-items/{source_id}")
    assert rows("SELECT count(*) FROM chunk_vectors") == [(0,)]


def test_vectors_of_another_size_do_not_fail_a_search(configured: Api, endpoint: Endpoint) -> None:
    configured.upload(TEXT)
    endpoint.answer = lambda texts: {"data": [{"index": n, "embedding": [1.0, 2.0]} for n, _ in enumerate(texts)]}
    reply = configured.search("loud")
    assert (reply["search_mode"], found(reply)) == ("hybrid", ["Car"])


def passage(id_: int) -> StoredPassage:
    return StoredPassage(id_, 0, "", (), False, "", 0.5, Document("d", "f", "t", "k", (), 1, "now"))


def test_fusion_prefers_what_both_rankings_have() -> None:
    fused = fuse_rankings([[passage(1), passage(2)], [passage(3), passage(2)]])
    assert [each.id for each in fused] == [2, 1, 3]
    assert fused[0].similarity == pytest.approx((2 / 62) / (2 / 61))
    assert fuse_rankings([[passage(1)], [passage(1)]]) == [replace(passage(1), similarity=1.0)]
    assert fuse_rankings([[], []]) == []
