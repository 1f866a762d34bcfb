"""How far uploads and crawls are: live in memory, and stored when work on one begins and when it ends.

The API and the database call a job an "operation"; those names are stable.
"""

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
    "totalPages",
    "processedPages",
    "codeBlocksFound",
    "codeExamplesStored",
    "completedDocuments",
    "totalDocuments",
    "completedSummaries",
    "totalSummaries",
    "completedBatches",
    "activeWorkers",
    "chunksInBatch",
)
"""Archon's counts of a crawl; 0 until known. This server has no summaries, batches or workers to count."""


@dataclass
class Job:
    """One upload or crawl. `progress` is in percent and never falls.

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
        """The JSON that clients get, in Archon's shape."""
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
    """The jobs of this server, `owner`. Called from workers and from request threads.

    Every server that shares the database can answer for a job: roughly while it runs, exactly once it has ended.
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
        """A new job that waits. It is not stored yet: storing could have to wait for the job that is being stored."""
        started = datetime.now(UTC).isoformat()
        job = Job(str(uuid.uuid4()), kind, about, message, [message], started)
        self._running[job.progress_id] = job
        self._publish(job)
        return job

    def begin(self, job: Job, status: str, progress: int, message: str) -> None:
        self.advance(job, status, progress, message)
        self._save(job)

    def advance(self, job: Job, status: str, progress: int, message: str = "", **result: Any) -> None:
        """Without a message the last one stays. Raises Cancelled if a client asked to stop the job."""
        if job.cancelled.is_set():
            raise Cancelled
        self._change(job, status, progress, message, result)
        self._publish(job)

    def finish(self, job: Job, status: str, message: str, **result: Any) -> None:
        """`status` is one of FINISHED. Without success the progress stays where it was."""
        self._change(job, status, 100 if status == "completed" else 0, message, result)
        self._running.pop(job.progress_id, None)
        try:
            # Saved before it is published, so that what this server reports the other servers report as well.
            self._save(job)
        except StorageError as error:
            log.error("job %s has ended, but only this server knows, as it cannot be saved: %s", job.progress_id, error)
            self._publish(job)
        else:
            del self._live[job.progress_id]
            self._notify(job.body())

    def cancel(self, progress_id: str) -> None:
        """Asks the job to stop. Raises NotFound if it is not running in this server."""
        job = self._running.get(progress_id)
        if job is None:
            raise NotFound("No active task for given progress_id")
        job.cancelled.set()

    def end_interrupted(self) -> None:
        """Ends the jobs that were running when an earlier process of this server was killed."""
        for progress_id, body in self._storage.unfinished_jobs(self._owner).items():
            reason = "The server was restarted during this crawl; start it again"
            if "uploadType" in body:
                reason = (
                    "The server was restarted during this upload. If the document is not in the list, upload it again"
                )
            body |= {"status": "error", "message": reason, "error": reason, "logs": [*body["logs"], reason]}
            self._storage.save_job(progress_id, self._owner, body)

    def body(self, progress_id: str) -> dict[str, Any]:
        """Raises NotFound for an unknown job, and for one that ended more than an hour ago."""
        body = self._live.get(progress_id) or self._storage.job(progress_id)
        if body is None:
            raise NotFound(f"Operation {progress_id} not found")
        return body

    def unfinished(self) -> list[dict[str, Any]]:
        """The bodies of all jobs that run or wait, in this server and in the other servers of the database."""
        bodies = self._storage.unfinished_jobs() | dict(self._live)
        return [body for body in bodies.values() if body["status"] not in FINISHED]

    @staticmethod
    def _change(job: Job, status: str, progress: int, message: str, result: dict[str, Any]) -> None:
        job.status = status
        job.progress = max(job.progress, progress)
        job.result |= result
        if message:
            job.message = message
            job.logs = [*job.logs, message][-200:]

    def _publish(self, job: Job) -> None:
        # A copy, because request threads read it while the worker changes the job.
        body = self._live[job.progress_id] = job.body()
        self._notify(body)

    def _notify(self, body: dict[str, Any]) -> None:
        for listener in self._listeners:
            listener(body)

    def _save(self, job: Job) -> None:
        self._storage.save_job(job.progress_id, self._owner, job.body())
