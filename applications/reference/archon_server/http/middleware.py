"""ASGI middleware before every route: the API token, the limit on request bodies, and the metrics of requests."""

import hmac
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import TooLarge, Unauthorized
from ..metrics import Metrics
from .errors import as_http, as_response

HEALTH_PATH = "/health"
SOCKETIO_PATHS = "/socket.io/"
"""Start of the paths of Socket.IO."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

REQUEST_BYTES = 1024 * 1024
"""Largest body of a request that is not an upload."""

MULTIPART_BYTES = 64 * 1024
"""What an upload may contain besides its file: boundaries, headers, tags."""


class TokenCheck:
    """Compares a text with the API token, in constant time. If the server has no token, every text is right."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def __call__(self, text: str) -> bool:
        return not self._token or hmac.compare_digest(text.strip().encode("utf-8", "surrogateescape"), self._token)


class RequireToken:
    """Answers 401 to a request without `Authorization: Bearer <token>`.

    Only /health is open, because what probes it has no secrets. Socket.IO checks the token itself, because browsers
    cannot send a header with a WebSocket.
    """

    def __init__(self, app: ASGIApp, is_token: TokenCheck) -> None:
        self._app = app
        self._is_token = is_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self._is_open(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            problem = Unauthorized("This server needs its API token: send the header Authorization: Bearer <token>")
            await as_response(problem)(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        if scope["path"] == HEALTH_PATH or scope["path"].startswith(SOCKETIO_PATHS):
            return True
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        # Header values are decoded as Latin-1; this restores the text that was sent.
        return scheme.lower() == "bearer" and self._is_token(token.encode("latin-1").decode("utf-8", "surrogateescape"))


class LimitBody:
    """Refuses a body that is too large: at once if its declared length is, else as soon as too much has arrived."""

    def __init__(self, app: ASGIApp, upload_path: str, max_upload_bytes: int) -> None:
        self._app = app
        self._upload_path = upload_path
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == self._upload_path:
            limit, problem = self._max_upload_bytes + MULTIPART_BYTES, file_too_large(self._max_upload_bytes)
        else:
            limit, problem = REQUEST_BYTES, TooLarge(f"The request is larger than {REQUEST_BYTES} bytes")
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            await as_response(problem)(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                # As an HTTPException: anything else raised while a form is read becomes a 400.
                raise as_http(problem)
            return message

        await self._app(scope, limited, send)


class MeasureRequests:
    """Observes each request by its route's template, so that ids in paths create no new series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A Socket.IO request waits for events and says nothing about the speed of answers.
        if scope["type"] != "http" or scope["path"].startswith(SOCKETIO_PATHS):
            await self._app(scope, receive, send)
            return
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, note_status)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.request_seconds.labels(method, route, status).observe(time.perf_counter() - started)


def file_too_large(max_upload_bytes: int) -> TooLarge:
    return TooLarge(
        f"The file is larger than the {max_upload_bytes} bytes allowed; "
        "split it, or raise ARCHON_MAX_UPLOAD_BYTES of the server"
    )
