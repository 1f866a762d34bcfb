"""A small stand-in for a model hub on the loopback interface: listing, files, and every way in which they go wrong."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = 1000
"""From this many bytes on a file is listed as a large one, with its sha256 instead of its git blob id."""


@dataclass(frozen=True)
class Request:
    """One request as the hub saw it. `host` is the Host header."""

    path: str
    host: str
    authorization: str | None
    range: str | None


Answer = Callable[["Handler"], bool]
"""Tampers with one request: answers it and returns True, or returns False and leaves it to the hub."""


@dataclass
class Hub:
    """Serves `models[repo][revision][path] = bytes`. Use it as a context manager.

    `tampering` maps a path of the URL (without the query) to answers that are used up one a request; `token`, if set,
    is demanded; `page` is the number of files in one page of a listing; `ranges` says whether Range is honoured.
    """

    models: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    tampering: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    token: str | None = None
    page: int = 1000
    ranges: bool = True

    def __enter__(self) -> Hub:
        handler = type("BoundHandler", (Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, repo: str, revision: str, files: dict[str, bytes]) -> None:
        """Publish a commit."""
        self.models.setdefault(repo, {})[revision] = files

    def tamper(self, path: str, *answers: Answer) -> None:
        """Answer the next requests for a path of the URL in these ways."""
        self.tampering.setdefault(path, []).extend(answers)

    def asked(self, part: str) -> list[Request]:
        """The requests whose path contains a text."""
        return [request for request in self.requests if part in request.path]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        headers = self.headers
        self.hub.requests.append(Request(self.path, headers["Host"], headers["Authorization"], headers["Range"]))
        answers = self.hub.tampering.get(url.path)
        if answers and answers.pop(0)(self):
            return
        if self.hub.token and headers["Authorization"] != f"Bearer {self.hub.token}":
            self.send(401, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif url.path.startswith("/api/models/"):
            self._listing(url.path.removeprefix("/api/models/"), parse_qs(url.query))
        else:
            self._file(unquote(url.path.lstrip("/")))

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer with a body."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass

    def _listing(self, path: str, query: dict[str, list[str]]) -> None:
        repo, tree, revision = path.partition("/tree/")
        if repo not in self.hub.models:
            return self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if not tree:
            return self.send(200, b"{}")
        if revision not in self.hub.models[repo]:
            return self.send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        items = [_item(name, data) for name, data in self.hub.models[repo][revision].items()]
        start = int(query.get("cursor", ["0"])[0])
        end = start + self.hub.page
        link = f'<{self.hub.endpoint}/api/models/{path}?recursive=true&cursor={end}>; rel="next"'
        return self.send(200, json.dumps(items[start:end]).encode(), {"Link": link} if end < len(items) else {})

    def _file(self, path: str) -> None:
        repo, _, rest = path.partition("/resolve/")
        revision, _, name = rest.partition("/")
        data = self.hub.models.get(repo, {}).get(revision, {}).get(name)
        if data is None:
            return self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
        wanted = self.headers["Range"]
        if wanted and self.hub.ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            return self.send(206, data[start:], {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
        return self.send(200, data)


def status(code: int, **headers: str) -> Answer:
    """Answer with a status and headers (`retry_after="0"` becomes Retry-After)."""

    def answer(request: Handler) -> bool:
        request.send(code, b"", {name.replace("_", "-").title(): value for name, value in headers.items()})
        return True

    return answer


def body(data: bytes) -> Answer:
    """Answer with other bytes than the listed ones."""

    def answer(request: Handler) -> bool:
        request.send(200, data)
        return True

    return answer


def cut_off(data: bytes, after: int) -> Answer:
    """Promise all bytes, send some, and hang up."""

    def answer(request: Handler) -> bool:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[:after])
        request.close_connection = True
        return True

    return answer


def redirect(target: str) -> Answer:
    """Send the client elsewhere."""
    return status(302, location=target)


def _item(path: str, data: bytes) -> dict:
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    item: dict = {"type": "file", "path": path, "size": len(data), "oid": blob}
    if len(data) >= LARGE:
        sha256 = hashlib.sha256(data).hexdigest()
        item |= {"oid": "0" * 40, "lfs": {"oid": sha256, "size": len(data), "pointerSize": 134}}
    return item
