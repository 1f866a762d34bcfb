"""Knowledge items, as a client sees and changes them."""

from typing import Any

import pytest

from tests.conftest import Api

MANUAL = """# Otters

They sleep.

## Feeding

```python
feed("fish")
```

Or by hand:

```
throw fish
```

## Washing

See https://example.org
"""


@pytest.fixture
def source_id(api: Api) -> str:
    return api.upload(MANUAL, "manual.md", tags='["zoo"]')["sourceId"]


def test_the_root_says_what_this_is(api: Api) -> None:
    body = api.http.get("/").json()
    assert (body["version"], body["status"]) == ("1.0.0", "healthy")
    assert set(body) == {"name", "version", "description", "status", "modules"}


def test_a_summary_counts_passages_and_code(api: Api, source_id: str) -> None:
    body = api.http.get("/api/knowledge-items/summary").json()
    [item] = body.pop("items")
    assert body == {"total": 1, "page": 1, "per_page": 20, "pages": 1}
    metadata = item.pop("metadata")
    assert item == {
        "source_id": source_id,
        "title": "manual.md",
        "url": "file://manual.md",
        "status": "active",
        "document_count": 3,
        "code_examples_count": 2,
        "knowledge_type": "technical",
        "source_type": "file",
        "created_at": item["created_at"],
        "updated_at": item["created_at"],
    }
    assert metadata["tags"] == ["zoo"]
    assert api.http.get("/api/knowledge-items/summary", params={"per_page": 101}).status_code == 422


def test_chunks_come_in_order_and_in_slices(api: Api, source_id: str) -> None:
    path = f"/api/knowledge-items/{source_id}/chunks"
    body = api.http.get(path, params={"limit": 2}).json()
    chunks = body.pop("chunks")
    assert body == {
        "success": True,
        "source_id": source_id,
        "domain_filter": None,
        "total": 3,
        "limit": 2,
        "offset": 0,
        "has_more": True,
    }
    assert [chunk["section"] for chunk in chunks] == ["Otters", "Otters > Feeding"]
    first = chunks[0]
    assert first.pop("metadata")["chunk_index"] == 0
    assert first == {
        "id": first["id"],
        "source_id": source_id,
        "content": "# Otters\n\nThey sleep.",
        "url": "file://manual.md",
        "title": "Otters",
        "section": "Otters",
        "source_type": "file",
        "knowledge_type": "technical",
    }
    rest = api.http.get(path, params={"limit": 2, "offset": 2}).json()
    assert [chunk["section"] for chunk in rest["chunks"]] == ["Otters > Washing"]
    assert rest["has_more"] is False
    elsewhere = api.http.get(path, params={"domain_filter": "example.org"}).json()
    assert (elsewhere["chunks"], elsewhere["total"], elsewhere["domain_filter"]) == ([], 0, "example.org")


def test_code_examples_are_the_fenced_blocks(api: Api, source_id: str) -> None:
    path = f"/api/knowledge-items/{source_id}/code-examples"
    body = api.http.get(path).json()
    [first, second] = body.pop("code_examples")
    assert body == {
        "success": True,
        "source_id": source_id,
        "total": 2,
        "limit": 20,
        "offset": 0,
        "has_more": False,
    }
    assert first == {
        "id": 1,
        "source_id": source_id,
        "url": "file://manual.md",
        "chunk_number": 1,
        "content": 'feed("fish")',
        "summary": "Otters > Feeding",
        "metadata": {"language": "python", "char_count": 12},
    }
    assert (second["id"], second["content"], second["metadata"]["language"]) == (2, "throw fish", "")
    later = api.http.get(path, params={"offset": 1, "limit": 1}).json()
    assert ([row["id"] for row in later["code_examples"]], later["has_more"]) == ([2], False)
    assert api.http.get(path, params={"limit": 1}).json()["has_more"] is True


@pytest.mark.parametrize("path", ["/api/rag/code-examples", "/api/code-examples"])
def test_a_search_for_code_answers_with_code(api: Api, source_id: str, path: str) -> None:
    body = api.http.post(path, json={"query": "how do I feed them fish", "match_count": 1}).json()
    [row] = body.pop("results")
    assert body == {"success": True, "reranked": True, "error": None}
    assert set(row) == {"url", "code", "summary", "metadata", "source_id", "similarity", "rerank_score"}
    assert (row["code"], row["source_id"]) == ('feed("fish")', source_id)
    assert api.http.post(path, json={"query": "sleep"}).json()["results"] == []
    assert api.http.post(path, json={"query": " "}).status_code == 422


def test_an_update_changes_only_the_fields_that_were_sent(api: Api, source_id: str) -> None:
    path = f"/api/knowledge-items/{source_id}"
    changes = {"title": "Otter manual", "tags": ["a", "b"], "status": "archived", "description": "All about them"}
    reply = api.http.put(path, json=changes)
    assert reply.json() == {
        "success": True,
        "message": f"Successfully updated knowledge item {source_id}",
        "source_id": source_id,
    }
    [item] = api.http.get("/api/knowledge-items").json()["items"]
    assert item["title"] == "Otter manual"
    assert item["updated_at"] > item["created_at"]
    metadata = item["metadata"]
    assert (metadata["tags"], metadata["status"], metadata["description"]) == (["a", "b"], "archived", "All about them")
    assert (metadata["file_name"], metadata["knowledge_type"], metadata["update_frequency"]) == (
        "manual.md",
        "technical",
        7,
    )
    assert api.search("otter")["results"][0]["metadata"]["tags"] == ["a", "b"]
    assert api.http.get("/api/knowledge-items", params={"search": "otter MANUAL"}).json()["total"] == 1
    [source] = api.http.get("/api/rag/sources").json()["sources"]
    assert (source["title"], source["summary"]) == ("Otter manual", "All about them")


@pytest.mark.parametrize(
    "changes", [{"title": ""}, {"tags": "a"}, {"tags": [1]}, {"update_frequency": -1}, {"title": "x" * 256}]
)
def test_a_bad_change_changes_nothing(api: Api, source_id: str, changes: dict[str, Any]) -> None:
    before = api.http.get("/api/knowledge-items").json()
    reply = api.http.put(f"/api/knowledge-items/{source_id}", json=changes)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"][1] == next(iter(changes))
    assert api.http.get("/api/knowledge-items").json() == before


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/chunks"), ("GET", "/code-examples"), ("PUT", ""), ("DELETE", ""), ("POST", "/refresh")],
)
def test_an_unknown_item_is_not_found(api: Api, method: str, path: str) -> None:
    reply = api.http.request(method, f"/api/knowledge-items/nope{path}", json={})
    assert (reply.status_code, reply.json()) == (404, {"detail": {"error": "Knowledge item nope not found"}})


def test_old_clients_get_an_empty_list_of_sources(api: Api, source_id: str) -> None:
    assert api.http.get("/api/knowledge-items/sources").json() == []
