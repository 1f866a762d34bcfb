import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from tests.conftest import Api

PATHS = [
    "/health/ml",
    "/metrics",
    "/api/models",
    "/api/knowledge-items",
    "/api/progress/x",
    "/openapi.json",
    "/nowhere",
]
TOKEN = "s3cret-tökén"


@pytest.fixture
def closed(serve: Callable[..., Any]) -> Iterator[Api]:
    with serve(token=TOKEN) as api:
        yield api


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer s3cret"]
)
def test_without_the_token_nothing_is_answered(closed: Api, path: str, header: str | None) -> None:
    reply = closed.http.get(path, headers={"authorization": header.encode()} if header else {})
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.json() == {
        "detail": {"error": "This server needs its API token: send the header Authorization: Bearer <token>"}
    }


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_with_the_token_everything_is_open(closed: Api, scheme: str) -> None:
    reply = closed.http.get("/api/models", headers={"authorization": f"{scheme} {TOKEN}".encode()})
    assert (reply.status_code, reply.json()["models"]) == (200, [])


def test_health_needs_no_token(closed: Api) -> None:
    assert closed.http.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/health/", "//health", "/HEALTH", "/health/../metrics", "/health%2Fml"])
def test_what_only_looks_like_health_is_closed(closed: Api, path: str) -> None:
    assert closed.http.get(path, follow_redirects=False).status_code == 401


def test_a_write_without_the_token_stores_nothing(closed: Api, rows: Callable[[str], list[Any]]) -> None:
    assert closed.http.post("/api/documents/upload", files={"file": ("a.md", b"x")}).status_code == 401
    assert rows("SELECT count(*) FROM operations") == [(0,)]


def test_no_other_origin_is_allowed(api: Api) -> None:
    headers = {"origin": "http://elsewhere.example", "access-control-request-method": "POST"}
    for reply in (api.http.options("/api/rag/query", headers=headers), api.http.get("/health", headers=headers)):
        assert not [name for name in reply.headers if name.startswith("access-control")]


def multipart(size: int) -> tuple[bytes, dict[str, str]]:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n'
    return head + b"x" * size + b"\r\n--b--\r\n", {"content-type": "multipart/form-data; boundary=b"}


LIMIT = 300_000


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 100_000, 5 * LIMIT])
@pytest.mark.parametrize("declared", [True, False])
def test_a_file_above_the_limit_is_refused(
    serve: Callable[..., Any], rows: Callable[[str], list[Any]], size: int, declared: bool
) -> None:
    body, headers = multipart(size)
    with serve(max_upload_bytes=LIMIT) as api:
        content = body if declared else (body[start : start + 10_000] for start in range(0, len(body), 10_000))
        reply = api.http.post("/api/documents/upload", content=content, headers=headers)
        assert reply.status_code == 413
        assert f"larger than the {LIMIT} bytes allowed" in reply.json()["detail"]["error"]
        assert rows("SELECT count(*) FROM operations") == [(0,)]


def test_a_file_at_the_limit_is_taken(serve: Callable[..., Any]) -> None:
    with serve(max_upload_bytes=LIMIT) as api:
        assert api.upload(b"x" * LIMIT)["status"] == "completed"


def test_the_limit_of_other_requests_is_small(api: Api) -> None:
    reply = api.http.post("/api/rag/query", json={"query": "x" * 2_000_000})
    assert (reply.status_code, reply.json()["detail"]["error"]) == (413, "The request is larger than 1048576 bytes")


def test_an_unexpected_error_has_the_shape_of_the_others(serve: Callable[..., Any], settings: Any) -> None:
    with serve() as api:
        with sqlite3.connect(settings.data_dir / "archon.db") as database:
            database.execute("ALTER TABLE documents RENAME TO lost")
        reply = api.http.get("/api/knowledge-items")
        assert reply.status_code == 503
        assert "did not answer" in reply.json()["detail"]["error"]


@pytest.mark.parametrize("path", ["/", "/health", "/api/progress/x"])
def test_a_websocket_outside_socket_io_is_closed(closed: Api, path: str) -> None:
    with pytest.raises(WebSocketDisconnect), closed.http.websocket_connect(path):
        pass
