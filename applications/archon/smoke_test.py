"""Uses a server of Archon as a client would: uploads a document, searches in it, and removes it again.

The server is healthy, and says that it reranks, also when it has no reranker. Then results have no score, and there are
more of them than asked for. So this program asks for fewer passages than it has uploaded, and looks at the scores.

Where an upload is not possible, because no key for embeddings is configured, the model alone is tried, as the server
loads it. The program runs inside the server's container. Arguments: the server's port, and the seconds that the test
may take. Exits with 1, and says why on its last line, when the server does not rerank.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

MODEL = "cross-encoder/ms-marco-MiniLM-L-6-v2"
"""The name in Archon's code. It leads to the model that is configured."""

QUESTION = "Why does bread dough rise?"
ANSWER = "Bread dough rises because yeast makes gas."
OTHERS = (
    "Sea otters hold hands while they sleep.",
    "A signal box sets the points for trains.",
    "The moon pulls the tides.",
)
COUNT = 2
PREFIX = "archon-smoke-test-"
PASSAGE_CHARACTERS = 4000
"""Two passages of this length do not fit into one of Archon's chunks (5,000 characters)."""

LEFTOVER_AGE = timedelta(hours=1)

server = f"http://127.0.0.1:{sys.argv[1]}"
deadline = time.monotonic() + 0.8 * float(sys.argv[2])
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SmokeTestError(Exception):
    pass


class RequestError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status} {detail}")
        self.status = status


def main() -> None:
    remove_leftovers()
    try:
        with uploaded_document() as source:
            check_results(query(source, COUNT))
    except RequestError as problem:
        if problem.status != 401:
            raise SmokeTestError(f"an upload or search is answered with {problem}") from problem
        print(f"No document can be uploaded, because embeddings are refused ({problem}): the model alone is tried.")
        check_model()


@contextmanager
def uploaded_document() -> Iterator[str]:
    """Uploads a document of one passage for each text; yields the id of its source, and removes it at the end."""
    name = f"{PREFIX}{uuid.uuid4().hex[:8]}"
    texts = (*OTHERS, ANSWER)
    upload(f"{name}.md", "\n\n".join((text + " ") * (PASSAGE_CHARACTERS // len(text)) for text in texts))
    try:
        yield wait_for_source(name)
    finally:
        remove(sources(name))


def wait_for_source(name: str) -> str:
    """The source of the document, once the answer and enough other passages can be found."""
    found: list[str] = []
    while time.monotonic() < deadline:
        for source in sources(name):
            found = [result["content"] for result in query(source, len(OTHERS) + 1)["results"]]
            if len(found) > COUNT and any(ANSWER in content for content in found):
                return source
        time.sleep(0.3)
    raise SmokeTestError(
        f"in the time of the test, a search finds {len(found)} passages of the document that was uploaded"
    )


def check_results(reply: dict) -> None:
    results = reply["results"]
    if not reply.get("reranking_applied"):
        print("Reranking is turned off in Archon's settings: scores are not checked.")
        return
    scores = [result.get("rerank_score") for result in results]
    if not results or any(not isinstance(score, int | float) for score in scores) or len(results) > COUNT:
        scored = sum(score is not None for score in scores)
        raise SmokeTestError(
            f"a search for {COUNT} results returned {len(results)}, {scored} of them with a rerank_score, although "
            "it says that it reranks: the model or its packages cannot be loaded"
        )
    if ANSWER not in results[0]["content"]:
        raise SmokeTestError(f"a search for {QUESTION!r} returned {results[0]['content'][:60]!r} first")


def check_model() -> None:
    from sentence_transformers import CrossEncoder  # in the environment, which may be missing

    answer, *others = CrossEncoder(MODEL).predict([[QUESTION, text] for text in (ANSWER, *OTHERS)])
    if answer <= max(others):
        raise SmokeTestError(f"the model scores {ANSWER!r} no higher than other passages as an answer to {QUESTION!r}")


def remove_leftovers() -> None:
    """Documents of earlier tests that were killed."""
    before = datetime.now(UTC) - LEFTOVER_AGE
    remove(
        item["source_id"]
        for item in items(PREFIX)
        if item["source_id"].startswith(f"file_{PREFIX}") and created_at(item) < before
    )


def created_at(item: dict) -> datetime:
    created = datetime.fromisoformat(item["created_at"])
    return created if created.tzinfo else created.replace(tzinfo=UTC)


def remove(identifiers: Iterable[str]) -> None:
    """What cannot be removed now, because another server's test removes it, is no reason to fail."""
    for identifier in identifiers:
        try:
            request("DELETE", f"/api/knowledge-items/{identifier}")
        except RequestError as problem:
            print(f"The document {identifier} cannot be removed: {problem}")


def sources(name: str) -> list[str]:
    return [item["source_id"] for item in items(name) if item["source_id"].startswith(f"file_{name}")]


def items(search: str) -> list[dict]:
    return request("GET", f"/api/knowledge-items?search={search}&per_page=100")["items"]


def query(source: str, count: int) -> dict:
    return request("POST", "/api/rag/query", {"query": QUESTION, "source": source, "match_count": count})


def upload(filename: str, text: str) -> None:
    boundary = uuid.uuid4().hex
    part = f"--{boundary}\r\nContent-Disposition: form-data; name="
    # Nothing that calls a language model.
    option = f'{part}"extract_code_examples"\r\n\r\nfalse\r\n'
    file = f'{part}"file"; filename="{filename}"\r\nContent-Type: text/markdown\r\n\r\n{text}\r\n'
    body = f"{option}{file}--{boundary}--\r\n"
    send("POST", "/api/documents/upload", body.encode(), f"multipart/form-data; boundary={boundary}")


def request(method: str, path: str, body: dict | None = None) -> dict:
    return send(method, path, None if body is None else json.dumps(body).encode(), "application/json")


def send(method: str, path: str, body: bytes | None, content_type: str) -> dict:
    call = urllib.request.Request(server + path, body, {"Content-Type": content_type}, method=method)
    try:
        with opener.open(call, timeout=120) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise RequestError(error.code, f"to {method} {path}: {error.read().decode(errors='replace')[:300]}") from error


if __name__ == "__main__":
    try:
        main()
    except Exception as problem:
        print(problem if isinstance(problem, SmokeTestError) else f"{type(problem).__name__}: {problem}")
        sys.exit(1)
