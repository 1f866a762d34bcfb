"""What has become of an upload: kept while it runs, asked for by polling."""

import hashlib
import json
import logging
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from .errors import NotFound, StorageError
from .storage import Storage

POLL_INTERVAL_MS = 1000
_FINISHED = ("completed", "error")

log = logging.getLogger(__name__)


@dataclass
class Operation:
    """One upload on its way. `progress` is in percent and never goes back."""

    progress_id: str
    filename: str
    message: str
    logs: list[str]
    status: str = "processing"
    progress: int = 0
    result: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """In Archon's shape."""
        return {
            "progressId": self.progress_id,
            "status": self.status,
            "progress": self.progress,
            "message": self.message,
            "logs": self.logs,
            "uploadType": "document",
            "fileName": self.filename,
            **self.result,
        }


class Operations:
    """The operations of this server, `owner`: live in memory, and stored when work on one begins and when it ends.

    So any server that shares the database can answer for one: coarsely while it runs, exactly once it has ended.
    Called from the worker that does the uploads and from request threads.
    """

    def __init__(self, storage: Storage, owner: str) -> None:
        self._storage = storage
        self._owner = owner
        self._live: dict[str, dict[str, Any]] = {}

    def enqueue(self, filename: str) -> Operation:
        """A new operation that waits. It is not stored yet, as that could mean waiting for the one before."""
        message = f"Reading {filename}"
        operation = Operation(str(uuid.uuid4()), filename, message=message, logs=[message])
        self._live[operation.progress_id] = operation.body()
        return operation

    def begin(self, operation: Operation) -> None:
        self.advance(operation, "storing", 10, f"Storing {operation.filename}")
        self._save(operation)

    def advance(self, operation: Operation, status: str, progress: int, message: str = "", **result: Any) -> None:
        """Without a message the last one stays."""
        operation.status = status
        operation.progress = max(operation.progress, progress)
        operation.result |= result
        if message:
            operation.message = message
            operation.logs = [*operation.logs, message]
        # A finished copy: request threads read it while the worker goes on.
        self._live[operation.progress_id] = operation.body()

    def finish(self, operation: Operation, status: str, message: str, **result: Any) -> None:
        """`status` is "completed" or "error"; an error keeps the percentage at which it happened."""
        self.advance(operation, status, 100 if status == "completed" else 0, message, **result)
        try:
            self._save(operation)
        except StorageError as error:
            log.error("the end of operation %s is known to this server only: %s", operation.progress_id, error)
        else:
            del self._live[operation.progress_id]

    def end_interrupted(self) -> None:
        """Ends what an earlier run of this same server was killed in."""
        reason = "The server was restarted during this upload. If the document is not in the list, upload it again"
        for progress_id, body in self._storage.unfinished_operations(self._owner).items():
            body |= {"status": "error", "message": reason, "error": reason, "logs": [*body["logs"], reason]}
            self._storage.save_operation(progress_id, self._owner, body)

    def body(self, progress_id: str) -> dict[str, Any]:
        """Raises NotFound for an unknown one, or one that ended more than an hour ago."""
        body = self._live.get(progress_id) or self._storage.operation(progress_id)
        if body is None:
            raise NotFound(f"Operation {progress_id} not found")
        return body

    def _save(self, operation: Operation) -> None:
        self._storage.save_operation(operation.progress_id, self._owner, operation.body())


def router(operations: Operations) -> APIRouter:
    api = APIRouter(prefix="/api/progress", tags=["progress"])

    @api.get("/{progress_id}")
    def progress(progress_id: str, if_none_match: Annotated[str, Header()] = "") -> Response:
        body = operations.body(progress_id)
        content = json.dumps(body).encode()
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {
            "ETag": etag,
            "Cache-Control": "no-cache, must-revalidate",
            "X-Poll-Interval": "0" if body["status"] in _FINISHED else str(POLL_INTERVAL_MS),
        }
        known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
        if etag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="application/json", headers=headers)

    return api
