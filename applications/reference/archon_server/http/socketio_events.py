"""Progress over Socket.IO, for clients that subscribe instead of polling."""

import asyncio
from collections.abc import Callable
from typing import Any

import socketio
from socketio.exceptions import ConnectionRefusedError

from ..errors import NotFound
from ..ingestion.jobs import Jobs

PATH = "/socket.io"


class SocketIoEvents:
    """Clients subscribe to a job, a crawl or an upload, and get a `crawl_progress` event for each of its changes."""

    def __init__(self, jobs: Jobs, is_token: Callable[[str], bool]) -> None:
        """`is_token` says whether a text is the API token."""
        self._jobs = jobs
        self._is_token = is_token
        self._loop: asyncio.AbstractEventLoop | None = None
        # None means the same origin only. Polling clients are dropped after 20 + 25 s of silence.
        self._server = server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins=None)
        self.app = socketio.ASGIApp(server, socketio_path=PATH)
        server.on("connect", self._connect)
        server.on("crawl_subscribe", self._subscribe)
        server.on("crawl_unsubscribe", self._unsubscribe)
        server.on("crawl_stop", self._stop)
        jobs.listen(self._changed)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Disconnects every client: a request that waits for an event would delay the end of the server."""
        for sid, _ in list(self._server.manager.get_participants("/", None)):
            await self._server.disconnect(sid)
        # A client that was refused is in no namespace, but its connection stays open.
        for connection in list(self._server.eio.sockets):
            await self._server.eio.disconnect(connection)

    def _changed(self, body: dict[str, Any]) -> None:
        """Called by any thread."""
        if self._loop and not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._emit(body, room=body["progressId"]), self._loop)

    async def _emit(self, body: dict[str, Any], **to: str) -> None:
        await self._server.emit("crawl_progress", event(body), **to)

    async def _connect(self, _: str, environment: dict[str, Any], auth: Any = None) -> None:
        token = auth.get("token") if isinstance(auth, dict) else None
        header = environment.get("HTTP_AUTHORIZATION", "").partition(" ")
        if not self._is_token(token if isinstance(token, str) else header[2].strip()):
            raise ConnectionRefusedError("This server needs its API token: connect with auth {token}")

    async def _subscribe(self, sid: str, data: Any) -> None:
        progress_id = _progress_id(data)
        await self._server.enter_room(sid, progress_id)
        await self._server.emit("crawl_subscribe_ack", {"progress_id": progress_id, "status": "subscribed"}, to=sid)
        try:
            # What happened before the subscription, which this client could not hear.
            body = await asyncio.to_thread(self._jobs.body, progress_id)
        except NotFound as error:
            problem = {"status": "error", "error": str(error), "progressId": progress_id}
            await self._server.emit("crawl_progress", problem, to=sid)
        else:
            await self._emit(body, to=sid)

    async def _unsubscribe(self, sid: str, data: Any) -> None:
        await self._server.leave_room(sid, _progress_id(data))

    async def _stop(self, sid: str, data: Any) -> dict[str, Any]:
        progress_id = _progress_id(data)
        try:
            self._jobs.cancel(progress_id)
        except NotFound as error:
            return {"success": False, "error": str(error), "progressId": progress_id}
        await self._server.emit("crawl:stopping", {"progressId": progress_id}, to=sid)
        return {"success": True, "progressId": progress_id}


def event(body: dict[str, Any]) -> dict[str, Any]:
    """The body of GET /api/progress, and the two names that older clients look for."""
    return body | {"percentage": body["progress"], "log": body["message"]}


def _progress_id(data: Any) -> str:
    value = data.get("progress_id") if isinstance(data, dict) else None
    return value[:100] if isinstance(value, str) else ""
