"""What has become of uploads and crawls: live in memory, and stored when work on one begins and when it ends."""

import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ..errors import Cancelled, NotFound, StorageError
from ..storage import FINISHED, Storage

Listener = Callable[[dict[str, Any]], None]
log = logging.getLogger(__name__)

_CRAWL_COUNTS = (
    *("totalPages", "processedPages", "codeBlocksFound", "codeExamplesStored", "completedDocuments", "totalDocuments"),
    *("completedSummaries", "totalSummaries", "completedBatches", "activeWorkers", "chunksInBatch"),
)
"""Archon's counts of a crawl; 0 until known. This server has no summaries, batches or workers to count."""


@dataclass
class Job:
    """One upload or crawl on its way. `progress` is in percent and never goes back.

    `about` is in every body: the file's name, or the site's address.
    """

    progress_id: str
    kind: Literal["document", "crawl"]
    about: dict[str, Any]
    message: str
    logs: list[str]
    started_at: str
    status: str = "processing"
    progress: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def body(self) -> dict[str, Any]:
        """In Archon's shape."""
        return {
            "progressId": self.progress_id,
            "status": self.status,
            "progress": self.progress,
            "message": self.message,
            "logs": self.logs,
            "startedAt": self.started_at,
            **({"uploadType": "document"} if self.kind == "document" else dict.fromkeys(_CRAWL_COUNTS, 0)),
            **self.about,
            **self.result,
        }


class Jobs:
    """The operations of this server, `owner`. Any server that shares the database can answer for one: coarsely while it
    runs, exactly once it has ended. Called from workers and from request threads.
    """

    def __init__(self, storage: Storage, owner: str) -> None:
        self._storage = storage
        self._owner = owner
        self._live: dict[str, dict[str, Any]] = {}
        self._running: dict[str, Job] = {}
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """`listener` gets the body of every change, in the thread that makes it."""
        self._listeners.append(listener)

    def enqueue(self, kind: Literal["document", "crawl"], message: str, **about: Any) -> Job:
        """A new operation that waits. It is not stored yet, as that could mean waiting for the one before."""
        started = datetime.now(UTC).isoformat()
        operation = Job(str(uuid.uuid4()), kind, about, message, [message], started)
        self._running[operation.progress_id] = operation
        self._publish(operation)
        return operation

    def begin(self, operation: Job, status: str, progress: int, message: str) -> None:
        self.advance(operation, status, progress, message)
        self._save(operation)

    def advance(self, operation: Job, status: str, progress: int, message: str = "", **result: Any) -> None:
        """Without a message the last one stays. Raises Cancelled if somebody asked for the end."""
        if operation.cancelled.is_set():
            raise Cancelled
        self._change(operation, status, progress, message, result)
        self._publish(operation)

    def finish(self, operation: Job, status: str, message: str, **result: Any) -> None:
        """`status` is one of FINISHED; without success the percentage stays at which it happened."""
        self._change(operation, status, 100 if status == "completed" else 0, message, result)
        self._running.pop(operation.progress_id, None)
        try:
            # First, so that an end that is seen here is seen by the other servers of the database as well.
            self._save(operation)
        except StorageError as error:
            log.error("the end of operation %s is known to this server only: %s", operation.progress_id, error)
            self._publish(operation)
        else:
            del self._live[operation.progress_id]
            self._tell(operation.body())

    def cancel(self, progress_id: str) -> None:
        """Asks the operation to end. Raises NotFound if it is not running in this server."""
        operation = self._running.get(progress_id)
        if operation is None:
            raise NotFound("No active task for given progress_id")
        operation.cancelled.set()

    def end_interrupted(self) -> None:
        """Ends what an earlier run of this same server was killed in."""
        for progress_id, body in self._storage.unfinished_operations(self._owner).items():
            reason = "The server was restarted during this crawl; start it again"
            if "uploadType" in body:
                reason = (
                    "The server was restarted during this upload. If the document is not in the list, upload it again"
                )
            body |= {"status": "error", "message": reason, "error": reason, "logs": [*body["logs"], reason]}
            self._storage.save_operation(progress_id, self._owner, body)

    def body(self, progress_id: str) -> dict[str, Any]:
        """Raises NotFound for an unknown one, or one that ended more than an hour ago."""
        body = self._live.get(progress_id) or self._storage.operation(progress_id)
        if body is None:
            raise NotFound(f"Job {progress_id} not found")
        return body

    def unfinished(self) -> list[dict[str, Any]]:
        """The bodies of all that run or wait, in this server and in the others of the database."""
        bodies = self._storage.unfinished_operations() | dict(self._live)
        return [body for body in bodies.values() if body["status"] not in FINISHED]

    @staticmethod
    def _change(operation: Job, status: str, progress: int, message: str, result: dict[str, Any]) -> None:
        operation.status = status
        operation.progress = max(operation.progress, progress)
        operation.result |= result
        if message:
            operation.message = message
            operation.logs = [*operation.logs, message][-200:]

    def _publish(self, operation: Job) -> None:
        # A finished copy: request threads read it while the worker goes on.
        body = self._live[operation.progress_id] = operation.body()
        self._tell(body)

    def _tell(self, body: dict[str, Any]) -> None:
        for listener in self._listeners:
            listener(body)

    def _save(self, operation: Job) -> None:
        self._storage.save_operation(operation.progress_id, self._owner, operation.body())
