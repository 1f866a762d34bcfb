"""Turns an uploaded file into a stored document, one at a time, in the background."""

import asyncio
import io
import logging
import mimetypes
import re
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, BinaryIO

from .chunking import Chunk, chunk_text
from .errors import Busy, RequestError
from .progress import Operation, Operations
from .storage import Document, Storage

QUEUE_LIMIT = 16
"""Uploads that may be waiting or in work; each waiting one holds its file on the disk."""

_MARKDOWN = {"", ".md", ".markdown", ".mdx", ".rst", ".txt"}
ALLOWED = "text in UTF-8: Markdown, plain text, HTML, source code, configuration, CSV and the like"
_LINE_SIZE = 8192

log = logging.getLogger(__name__)


class UnreadableFile(Exception):
    """The uploaded file is not what this server can store; the message says what it can."""


@dataclass(frozen=True)
class Upload:
    """A received file: `file` is at its start and belongs to whoever holds the Upload; `size` is in bytes."""

    file: BinaryIO
    filename: str
    size: int
    knowledge_type: str
    tags: tuple[str, ...]


class Ingestion:
    """One worker, so that two large documents do not fight for the database's one write lock."""

    def __init__(self, storage: Storage, operations: Operations) -> None:
        self._storage = storage
        self._operations = operations
        self._worker = ThreadPoolExecutor(1, "ingestion")
        self._pending: set[Future[None]] = set()

    def start(self) -> None:
        self._submit(self._operations.end_interrupted)

    def submit(self, upload: Upload) -> str:
        """Takes the upload over and returns the id to ask for its progress.

        Raises Busy, with the file closed, if too many wait.
        """
        if len(self._pending) >= QUEUE_LIMIT:
            upload.file.close()
            raise Busy(f"{QUEUE_LIMIT} uploads are already waiting; send this one again a little later", retry_after=5)
        operation = self._operations.enqueue(upload.filename)
        self._submit(self._ingest, upload, operation)
        return operation.progress_id

    async def finish(self) -> None:
        """Returns when everything submitted has been stored or refused."""
        await asyncio.gather(*map(asyncio.wrap_future, list(self._pending)), return_exceptions=True)
        self._worker.shutdown()

    def _submit(self, work: Callable[..., None], *arguments: Any) -> None:
        future = self._worker.submit(work, *arguments)
        self._pending.add(future)
        future.add_done_callback(self._ended)

    def _ended(self, future: Future[None]) -> None:
        self._pending.discard(future)
        if error := future.exception():
            log.error("work in the background failed: %s", error, exc_info=error)

    def _ingest(self, upload: Upload, operation: Operation) -> None:
        try:
            with upload.file:
                self._operations.begin(operation)
                document = self._storage.add_document(_document(upload), self._chunks(upload, operation))
        except (UnreadableFile, RequestError) as error:
            log.warning("upload of %r refused: %s", upload.filename, error)
            self._operations.finish(operation, "error", str(error), error=str(error))
        except Exception as error:
            log.exception("upload of %r failed", upload.filename)
            reason = f"Internal error ({type(error).__name__}); the server's log has the details"
            self._operations.finish(operation, "error", reason, error=reason)
        else:
            log.info("stored %s: %d chunks", document.source_id, document.chunk_count)
            self._operations.finish(
                operation,
                "completed",
                f"Stored {document.chunk_count} passages of {upload.filename}",
                chunksStored=document.chunk_count,
                wordCount=document.word_count,
                sourceId=document.source_id,
            )

    def _chunks(self, upload: Upload, operation: Operation) -> Iterator[Chunk]:
        """The file's passages; the operation advances from 10 to 95 % with what has been read of it."""
        empty = True
        for chunk in chunk_text(_lines(upload), markdown=PurePath(upload.filename).suffix.lower() in _MARKDOWN):
            yield chunk
            empty = False
            percent = 10 + 85 * upload.file.tell() // max(upload.size, 1)
            if percent > operation.progress:
                self._operations.advance(operation, "storing", percent)
        if empty:
            raise UnreadableFile(f"{upload.filename} has no text in it; allowed is {ALLOWED}")


def _lines(upload: Upload) -> Iterator[str]:
    """The file's text, a line or a part of a long line at a time."""
    text = io.TextIOWrapper(upload.file, encoding="utf-8-sig")
    try:
        while line := text.readline(_LINE_SIZE):
            if "\0" in line:
                raise UnreadableFile(f"{upload.filename} is not text: it has zero bytes in it; allowed is {ALLOWED}")
            yield line
    except UnicodeDecodeError as error:
        problem = f"{upload.filename} is not text in UTF-8 ({error.reason})"
        raise UnreadableFile(f"{problem}; allowed is {ALLOWED}") from error
    finally:
        # The wrapper would close the file with itself.
        text.detach()


def _document(upload: Upload) -> Document:
    # Archon's form of a source id: the name made harmless, and eight digits that tell two of the same name apart.
    name = re.sub(r"\W", "_", upload.filename)[:80]
    return Document(
        source_id=f"file_{name}_{uuid.uuid4().hex[:8]}",
        filename=upload.filename,
        file_type=mimetypes.guess_type(upload.filename)[0] or "text/plain",
        knowledge_type=upload.knowledge_type,
        tags=upload.tags,
        size=upload.size,
        created_at=datetime.now(UTC).isoformat(),
    )
