"""A fake model hub on the loopback interface: listings in pages, files, redirects to signed URLs of a file storage
(another port, so another origin), ranges, and every way in which these go wrong (see tampering.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

LARGE = 1000
"""A file of at least this many bytes is a large one: listed with its sha256, and kept in the file storage."""

_BLOCK = 1 << 20

Content = bytes | Path
"""The bytes of a file, or the path of a file that does not change."""


@dataclass(frozen=True)
class Request:
    """One request as the hub saw it. `host` is the Host header."""

    path: str
    host: str
    authorization: str | None
    range: str | None


Tampering = Callable[["Handler"], bool]
"""Tampers with one request: answers it and returns True, or returns False and leaves it to the hub."""


@dataclass
class FakeHub:
    """Serves `models[repo][revision][path] = content`. Use it as a context manager.

    `tampering` maps a path of the URL (without the query) to answers, one per request; `token`, if set,
    is required; `page` is the number of files in one page of a listing; `ranges` says whether Range is supported;
    `elsewhere` whether large files are kept in the file storage, to which the hub redirects; `signature_uses` how many
    requests a signed URL is valid for. `sent` counts the bytes of files that went out, `busy` the requests under way;
    `delay` is the time in seconds before each answer with a file; `host` is the address to listen at.
    """

    models: dict[str, dict[str, dict[str, Content]]] = field(default_factory=dict)
    tampering: dict[str, list[Tampering]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    token: str | None = None
    page: int = 1000
    ranges: bool = True
    elsewhere: bool = True
    signature_uses: int = 1 << 30
    host: str = "127.0.0.1"
    sent: int = 0
    busy: int = 0
    delay: float = 0.0
    closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self._signatures: dict[str, int] = {}

    def __enter__(self) -> FakeHub:
        self._servers = [self._serve(kept_elsewhere) for kept_elsewhere in (False, True)]
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _serve(self, elsewhere: bool) -> ThreadingHTTPServer:
        handler = type("BoundHandler", (Handler,), {"hub": self, "elsewhere": elsewhere})
        server = _Server((self.host, 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    @property
    def port(self) -> int:
        return self._servers[0].server_address[1]

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"

    def add(self, repo: str, revision: str, files: dict[str, Content]) -> None:
        """Publish a commit."""
        self.models.setdefault(repo, {})[revision] = files

    def tamper(self, path: str, *answers: Tampering) -> None:
        """Tamper with the next requests for a path of the URL, one answer for each request."""
        self.tampering.setdefault(path, []).extend(answers)

    def requests_to(self, part: str) -> list[Request]:
        """The requests whose path contains a text."""
        return [request for request in self.requests if part in request.path]

    def sign(self, path: str) -> str:
        """A new signed URL of the file storage."""
        with self.lock:
            signature = str(len(self._signatures) + 1)
            self._signatures[signature] = self.signature_uses
        return f"http://{self.host}:{self._servers[1].server_address[1]}{path}?Expires=1&Signature={signature}"

    def admit(self, signature: str) -> bool:
        """Use a signature once; False if it is used up."""
        with self.lock:
            left = self._signatures.get(signature, 0)
            self._signatures[signature] = left - 1
        return left > 0

    def count(self, size: int) -> None:
        with self.lock:
            self.sent += size


class Handler(BaseHTTPRequestHandler):
    """One request."""

    hub: FakeHub
    elsewhere: bool
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        with self.hub.lock:
            self.hub.busy += 1
        try:
            self._answer()
        finally:
            with self.hub.lock:
                self.hub.busy -= 1

    def _answer(self) -> None:
        url = urlsplit(self.path)
        headers = self.headers
        self.hub.requests.append(Request(self.path, headers["Host"], headers["Authorization"], headers["Range"]))
        with self.hub.lock:
            answers = self.hub.tampering.get(url.path)
            answer = answers.pop(0) if answers else None
        if answer and answer(self):
            return
        if self.elsewhere:
            if self.hub.admit(parse_qs(url.query).get("Signature", [""])[0]):
                self._file(url.path)
            else:
                self.send(403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
        elif self.hub.token and headers["Authorization"] != f"Bearer {self.hub.token}":
            self.send(401, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif url.path.startswith("/api/models/"):
            self._listing(url.path.removeprefix("/api/models/"), parse_qs(url.query))
        elif self.hub.elsewhere and self._is_large(url.path):
            self.send(302, b"", {"Location": self.hub.sign(url.path.replace("/resolve/", "/stored/"))})
        else:
            self._file(url.path)

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send a whole response with a body."""
        self.head(status, {"Content-Length": str(len(body))} | (headers or {}))
        self.wfile.write(body)

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Send status and headers."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def wanted(self) -> tuple[Content, int, int, int]:
        """What a request for a file asks for: content, size of the file, first byte, and the byte after the last."""
        content = self.content(urlsplit(self.path).path)
        if content is None:
            raise LookupError(self.path)
        size = _size(content)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "") if self.hub.ranges else None
        if match is None:
            return content, size, 0, size
        return content, size, int(match[1]), min(int(match[2]) + 1, size) if match[2] else size

    def announce(self, size: int, first: int, end: int) -> None:
        """Send the status and headers of a response with a file."""
        if self.headers["Range"] and self.hub.ranges:
            self.head(206, {"Content-Length": str(end - first), "Content-Range": f"bytes {first}-{end - 1}/{size}"})
        else:
            self.head(200, {"Content-Length": str(end - first)})

    def deliver(self, content: Content, first: int, end: int) -> None:
        """Send bytes of a file, counted as they go out."""
        if isinstance(content, bytes):
            for at in range(first, end, _BLOCK):
                self.wfile.write(content[at : min(at + _BLOCK, end)])
                self.hub.count(min(at + _BLOCK, end) - at)
            return
        with content.open("rb") as stream:
            while first < end:
                sent = os.sendfile(self.connection.fileno(), stream.fileno(), first, min(_BLOCK, end - first))
                self.hub.count(sent)
                first += sent

    def content(self, path: str) -> Content | None:
        """The content of the file at a path of the URL, or None."""
        repo, _, rest = re.sub("/stored/", "/resolve/", unquote(path.lstrip("/"))).partition("/resolve/")
        revision, _, name = rest.partition("/")
        return self.hub.models.get(repo, {}).get(revision, {}).get(name)

    def log_message(self, *_: object) -> None:
        pass

    def _is_large(self, path: str) -> bool:
        content = self.content(path)
        return content is not None and _size(content) >= LARGE

    def _listing(self, path: str, query: dict[str, list[str]]) -> None:
        repo, tree, revision = path.partition("/tree/")
        repo, separator, branch = repo.partition("/revision/")
        if repo not in self.hub.models:
            return self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if separator:
            commits = {"main": list(self.hub.models[repo])[-1], **{commit: commit for commit in self.hub.models[repo]}}
            if unquote(branch) not in commits:
                return self.send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return self.send(200, json.dumps({"id": repo, "sha": commits[unquote(branch)]}).encode())
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
        if self.content(path) is None:
            return self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
        time.sleep(self.hub.delay)
        content, size, first, end = self.wanted()
        if first >= end and size:
            return self.send(416, b"", {"Content-Range": f"bytes */{size}"})
        self.announce(size, first, end)
        return self.deliver(content, first, end)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Print nothing: many tests make the client disconnect."""


def stored(repo: str, revision: str, path: str) -> str:
    """The path of a large file's URL in the file storage."""
    return f"/{repo}/stored/{revision}/{quote(path)}"


def _item(path: str, content: Content) -> dict:
    size, (sha256, blob) = _size(content), _hashes(content)
    item: dict = {"type": "file", "path": path, "size": size, "oid": blob}
    if size >= LARGE:
        item |= {"oid": "0" * 40, "lfs": {"oid": sha256, "size": size, "pointerSize": 134}}
    return item


def _size(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


@lru_cache(maxsize=256)
def _hashes(content: Content) -> tuple[str, str]:
    """sha256 and git blob id."""
    sha256 = hashlib.sha256()
    blob = hashlib.sha1(b"blob %d\0" % _size(content), usedforsecurity=False)
    if isinstance(content, bytes):
        sha256.update(content)
        blob.update(content)
    else:
        with content.open("rb") as stream:
            while block := stream.read(_BLOCK):
                sha256.update(block)
                blob.update(block)
    return sha256.hexdigest(), blob.hexdigest()
