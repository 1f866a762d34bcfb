"""Uploads, as a client sees them."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.conftest import Api, eventually


def test_an_upload_is_answered_at_once_and_ends_with_what_was_stored(api: Api) -> None:
    reply = api.http.post("/api/documents/upload", files={"file": ("My notes.v2.md", b"# Otters\n\nThey sleep.")})
    progress_id = reply.json()["progressId"]
    assert reply.json() == {
        "success": True,
        "progressId": progress_id,
        "message": "Document upload started",
        "filename": "My notes.v2.md",
    }
    body = api.ended(progress_id)
    source_id = body["sourceId"]
    assert body.pop("startedAt")
    assert source_id.startswith("file_My_notes_v2_md_")
    assert body == {
        "progressId": progress_id,
        "status": "completed",
        "progress": 100,
        "message": "Stored 1 passages of My notes.v2.md",
        "logs": ["Reading My notes.v2.md", "Storing My notes.v2.md", "Stored 1 passages of My notes.v2.md"],
        "uploadType": "document",
        "fileName": "My notes.v2.md",
        "chunksStored": 1,
        "wordCount": 4,
        "sourceId": source_id,
    }


def test_progress_is_polled_with_an_etag(api: Api) -> None:
    progress_id = api.upload("otters")["progressId"]
    first = api.http.get(f"/api/progress/{progress_id}")
    assert (first.headers["x-poll-interval"], first.headers["cache-control"]) == ("0", "no-cache, must-revalidate")
    etag = first.headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}'):
        again = api.http.get(f"/api/progress/{progress_id}", headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert api.http.get(f"/api/progress/{progress_id}", headers={"if-none-match": '"other"'}).status_code == 200


def test_an_unknown_job_is_not_found(api: Api) -> None:
    reply = api.http.get("/api/progress/nope")
    assert (reply.status_code, reply.json()) == (404, {"detail": {"error": "Operation nope not found"}})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"text\x00\x01", "zero bytes"),
        (b"text\n" * 30_000 + b"\0", "zero bytes"),
        (bytes(range(1, 256)) * 9, "not text"),
        (b"", "contains no text"),
        (b" \n\n\t", "contains no text"),
    ],
)
def test_a_file_that_is_not_text_ends_as_an_error_with_what_is_allowed(
    api: Api, rows: Callable[[str], list[Any]], content: bytes, problem: str
) -> None:
    body = api.upload(content, "file.md")
    assert body["status"] == "error"
    assert problem in body["error"]
    assert "and text: Markdown" in body["error"].partition("llowed are ")[2]
    assert rows("SELECT count(*) FROM documents") == rows("SELECT count(*) FROM chunks") == [(0,)]


@pytest.mark.parametrize(
    ("disposition", "shown"),
    [
        # .NET
        ("filename=\"=?utf-8?B?5oql5ZGKLmRvY3g=?=\"; filename*=utf-8''%E6%8A%A5%E5%91%8A.docx", "报告.docx"),
        ("filename*=utf-8''%E6%8A%A5%E5%91%8A.md", "报告.md"),
        ("filename*=UTF-8'de'gr%C3%BC%C3%9Fe.md; filename=\"gr__e.md\"", "grüße.md"),
        ("filename*=iso-8859-1'en'%A3%20rates.md", "£ rates.md"),
        ("filename*0*=utf-8''%E6%8A; filename*1*=%A5; filename*2=.md", "报.md"),
        ('filename="=?iso-8859-1?Q?gr=FC=DFe.md?="', "grüße.md"),
        ('filename="=?utf-8?B?5oql?= =?utf-8?B?5ZGK?=.md"', "报告.md"),
        ('filename="=?gb2312?B?6UY=?=.md"', "镕.md"),
        ('filename="%E6%8A%A5%E5%91%8A.md"', "报告.md"),
        ('filename="报告.md"', "报告.md"),
        ("filename=报告.md", "报告.md"),
        ('filename="a%22b.md"', 'a"b.md'),
        ("filename*=utf-8''..%2F..%2Fetc%2Fnotes.md", "notes.md"),
        ('filename="=?utf-8?Q?=2E=2E=5Cnotes.md?="', "notes.md"),
        # What cannot be decoded stays.
        ('filename="100% of %20.md"', "100% of %20.md"),
        ('filename="=?nonsense?B?eA==?=.md"', "=?nonsense?B?eA==?=.md"),
        ("filename*=nonsense''%FF.md; filename=\"plain.md\"", "plain.md"),
        ("filename*=utf-8''%FF", "unnamed"),
    ],
)
def test_a_file_name_is_read_however_a_client_encodes_it(api: Api, disposition: str, shown: str) -> None:
    head = f'--b\r\nContent-Disposition: form-data; name="file"; {disposition}\r\n\r\n'
    reply = api.http.post(
        "/api/documents/upload",
        content=head.encode() + b"An otter.\r\n--b--\r\n",
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert (reply.status_code, reply.json().get("filename")) == (200, shown), reply.text


def test_a_broken_form_is_the_clients_mistake(api: Api) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    reply = api.http.post("/api/documents/upload", content=b"--b\r\nno colon\r\n", headers=headers)
    assert reply.status_code == 400, reply.text


def test_a_byte_order_mark_is_not_part_of_the_text(api: Api) -> None:
    api.upload("\ufeff# Otters\n\nsleep".encode())
    assert api.search("otters")["results"][0]["metadata"]["headers"] == "Otters"


def test_code_is_not_read_as_markdown(api: Api) -> None:
    api.upload("# set up\nx = 'otter'\n", "setup.py")
    assert api.search("otter")["results"][0]["metadata"]["headers"] == ""


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\notes.txt", "notes.txt"),
        ("a\x1b[31m\u202e.md", "a[31m.md"),
        ("/", "unnamed"),
        ("x" * 400, "x" * 255),
    ],
)
def test_a_file_name_never_becomes_a_path(api: Api, settings: Any, sent: str, kept: str) -> None:
    before = sorted(path.name for path in settings.data_dir.rglob("*"))
    assert api.upload("otters", sent)["fileName"] == kept
    assert sorted(path.name for path in settings.data_dir.rglob("*")) == before
    [item] = api.http.get("/api/knowledge-items").json()["items"]
    assert "/" not in item["source_id"]
    assert api.http.delete(f"/api/knowledge-items/{item['source_id']}").status_code == 200


@pytest.mark.parametrize("tags", ["{", "{}", '"a"', "[1]", '["\\ud800"]', "[" * 5000])
def test_tags_must_be_a_list_of_strings(api: Api, tags: str) -> None:
    reply = api.http.post("/api/documents/upload", files={"file": ("a.md", b"x")}, data={"tags": tags})
    assert reply.status_code == 422
    assert "expected a JSON list of printable strings" in reply.json()["detail"]["error"]


def test_an_upload_without_a_file_is_refused(api: Api) -> None:
    assert api.http.post("/api/documents/upload", data={"tags": "[]"}).status_code == 422


def test_items_and_sources_are_listed_in_archons_shapes(api: Api) -> None:
    stored = api.upload("# Otters\n\nThey sleep.", tags='["zoo"]')
    body = api.http.get("/api/knowledge-items").json()
    [item] = body.pop("items")
    assert body == {"total": 1, "page": 1, "per_page": 20, "pages": 1}
    created = item["created_at"]
    assert item == {
        "id": stored["sourceId"],
        "title": "notes.md",
        "url": "file://notes.md",
        "source_id": stored["sourceId"],
        "source_type": "file",
        "code_examples": [],
        "metadata": {
            "knowledge_type": "technical",
            "tags": ["zoo"],
            "source_type": "file",
            "status": "active",
            "description": None,
            "group_name": None,
            "chunks_count": 1,
            "word_count": 4,
            "estimated_pages": 0.0,
            "last_scraped": created,
            "file_name": "notes.md",
            "file_type": "text/markdown",
            "file_size": 21,
            "update_frequency": 7,
            "code_examples_count": 0,
        },
        "created_at": created,
        "updated_at": created,
    }
    assert api.http.get("/api/rag/sources").json() == {
        "success": True,
        "sources": [
            {
                "source_id": stored["sourceId"],
                "title": "notes.md",
                "summary": None,
                "metadata": {"knowledge_type": "technical", "tags": ["zoo"], "source_type": "file"},
                "total_words": 4,
                "update_frequency": 7,
                "created_at": created,
                "updated_at": created,
            }
        ],
        "count": 1,
    }


def test_items_are_paged_and_filtered(api: Api) -> None:
    for n in range(5):
        api.upload("otters", f"n{n}.md", knowledge_type="business" if n == 1 else "technical")
    page = api.http.get("/api/knowledge-items", params={"page": 2, "per_page": 2}).json()
    assert [item["title"] for item in page["items"]] == ["n2.md", "n1.md"]
    assert (page["total"], page["pages"]) == (5, 3)
    assert api.http.get("/api/knowledge-items", params={"knowledge_type": "business"}).json()["total"] == 1
    assert api.http.get("/api/knowledge-items", params={"search": "N3"}).json()["total"] == 1
    assert api.http.get("/api/knowledge-items", params={"page": 0}).status_code == 422


def test_a_deleted_item_is_not_found(api: Api) -> None:
    source_id = api.upload("otters")["sourceId"]
    reply = api.http.delete(f"/api/knowledge-items/{source_id}")
    assert reply.json() == {"success": True, "message": f"Successfully deleted knowledge item {source_id}"}
    assert api.search("otter")["results"] == []
    again = api.http.delete(f"/api/knowledge-items/{source_id}")
    assert (again.status_code, again.json()["detail"]["error"]) == (404, f"Knowledge item {source_id} not found")


def test_too_many_uploads_are_refused_with_a_time_to_retry(api: Api, settings: Any) -> None:
    files = {"file": ("a.md", b"otters")}
    with closing(sqlite3.connect(settings.data_dir / "archon.db", isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        replies = [api.http.post("/api/documents/upload", files=files) for _ in range(17)]
        waiting = [api.http.get(f"/api/progress/{reply.json()['progressId']}") for reply in replies[:16]]
    assert {reply.headers["x-poll-interval"] for reply in waiting} == {"1000"}
    assert [reply.status_code for reply in replies] == [200] * 16 + [429]
    assert replies[16].headers["retry-after"] == "5"
    for reply in replies[:16]:
        assert api.ended(reply.json()["progressId"])["status"] == "completed"


def test_uploads_in_progress_are_stored_before_the_server_ends(serve: Callable[..., Any], rows: Any) -> None:
    with serve() as api:
        for n in range(5):
            api.http.post("/api/documents/upload", files={"file": (f"{n}.md", b"otters\n\n" * 2000)})
    assert rows("SELECT count(*) FROM documents") == [(5,)]


def test_progress_is_known_to_the_other_servers_of_the_database(serve: Callable[..., Any]) -> None:
    with serve(port=1) as one, serve(port=2) as other:
        done = one.upload("otters")
        assert other.http.get(f"/api/progress/{done['progressId']}").json() == done


def test_an_upload_that_a_killed_server_had_begun_ends_with_an_error(serve: Callable[..., Any], rows: Any) -> None:
    with serve(port=1) as api:
        done = api.upload("otters")
    begun = done | {"status": "storing", "progress": 10}
    with serve(port=2):
        assert rows("SELECT finished FROM operations") == [(1,)]
    database = rows("PRAGMA database_list")[0][2]
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE operations SET finished = 0, body = ?", (json.dumps(begun),))
    path = f"/api/progress/{done['progressId']}"
    with serve(port=2) as other:
        assert other.http.get(path).json()["status"] == "storing"
    with serve(port=1) as api:
        body = eventually(lambda: (body := api.http.get(path).json())["status"] == "error" and body)
        assert "restarted during this upload" in body["error"]
