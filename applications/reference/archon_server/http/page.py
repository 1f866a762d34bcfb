"""Serves the web page from the files that the image build made, as ASGI middleware before every route."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

ASSETS = "/assets/"

_SECURITY = {
    # Only the server's own files and API; no inline script or style, no frame around the page.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    cache_control: str
    etag: str


class ServePage:
    """Answers GET and HEAD of the page and its assets, and passes everything else on.

    It comes before the check of the token: the files contain no secrets, and the page is what asks a person for the
    token. `/` is the page for clients that accept HTML, which programs do not. Without index.html in `directory` there
    is no page.
    """

    def __init__(self, app: ASGIApp, directory: Path) -> None:
        self._app = app
        self._files = _read(directory)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._answer(scope) if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") else None
        await (response or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        path, headers = scope["path"], Headers(scope=scope)
        file = self._files.get(path)
        if file is None:
            return PlainTextResponse("Not found\n", 404, _SECURITY) if path.startswith(ASSETS) else None
        if path == "/" and "text/html" not in headers.get("accept", ""):
            return None
        sent = {**_SECURITY, "Cache-Control": file.cache_control, "ETag": file.etag, "Vary": "Accept"}
        if file.etag in headers.get("if-none-match", ""):
            return Response(status_code=304, headers=sent)
        return Response(file.content, headers=sent, media_type=file.media_type)


def _read(directory: Path) -> dict[str, _File]:
    """The files by their path in the URL. An asset's name contains the hash of its content: it is cached for ever."""
    index = directory / "index.html"
    if not index.is_file():
        return {}
    assets = sorted((directory / "assets").iterdir())
    return {"/": _file(index, "no-cache")} | {
        ASSETS + path.name: _file(path, "public, max-age=31536000, immutable") for path in assets
    }


def _file(path: Path, cache_control: str) -> _File:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _File(content, kind, cache_control, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
