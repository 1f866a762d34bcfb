"""Stores what was uploaded or crawled, one at a time, in the background."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..crawling import CrawlFailed, CrawlRequest, Fetched, Site, crawl, landlock
from ..embeddings.backfill import EmbeddingBackfill
from ..embeddings.client import EmbeddingsUnavailable
from ..errors import Busy, Cancelled, RequestError
from ..extraction import UnreadableFile
from ..settings import CrawlLimits
from ..storage import Document, Storage
from . import sources
from .jobs import Job, Jobs
from .sources import Upload

UPLOAD_LIMIT = 16
"""Uploads that may be waiting or in work; each waiting one holds its file on the disk."""

CRAWL_LIMIT = 4
"""Crawls that may be waiting or in work; one runs at a time."""

log = logging.getLogger(__name__)


class IngestionService:
    """One worker stores, so that two large documents do not fight for the database's one write lock; another crawls."""

    def __init__(
        self,
        storage: Storage,
        operations: Jobs,
        vectors: EmbeddingBackfill,
        limits: CrawlLimits,
        browser: Path | None = None,
    ) -> None:
        self._storage = storage
        self._operations = operations
        self._vectors = vectors
        self._limits = limits
        self._browser = browser
        self._worker = ThreadPoolExecutor(1, "ingestion")
        self._crawler = ThreadPoolExecutor(1, "crawler")
        self._uploads: dict[Future[None], Job] = {}
        self._crawls: dict[Future[None], Job] = {}
        self._filling: Future[bool] | None = None
        self._ended = False

    def start(self) -> None:
        _logged(self._worker.submit(self._operations.end_interrupted))
        self.fill_vectors()
        if self._browser and (version := landlock.available()) < landlock.COMPLETE:
            problem = (
                "crawls run scripts in %s, which Landlock %d of this kernel and engine confines less than %d would"
            )
            log.warning(problem, self._browser, version, landlock.COMPLETE)

    def submit(self, upload: Upload) -> str:
        """Takes the upload over and returns the id to ask for its progress.

        Raises Busy, with the file closed, if too many wait.
        """
        if len(self._uploads) >= UPLOAD_LIMIT:
            upload.file.close()
            raise Busy(f"{UPLOAD_LIMIT} uploads are already waiting; send this one again a little later", retry_after=5)
        operation = self._operations.enqueue("document", f"Reading {upload.filename}", fileName=upload.filename)
        return _tracked(self._uploads, self._worker.submit(self._ingest, upload, operation), operation)

    def submit_crawl(self, request: CrawlRequest) -> str:
        """Returns the id to ask for its progress. Raises Busy if too many wait."""
        if len(self._crawls) >= CRAWL_LIMIT:
            raise Busy(f"{CRAWL_LIMIT} crawls are already waiting; start this one a little later", retry_after=30)
        operation = self._operations.enqueue(
            "crawl", f"Waiting to crawl {request.url}", url=request.url, currentUrl=request.url, crawlType="normal"
        )
        return _tracked(self._crawls, self._crawler.submit(self._crawl, request, operation), operation)

    def fill_vectors(self) -> None:
        """Gives what was stored without vectors, or with those of another embedding model, its vectors: a batch at a
        time, between the uploads.
        """
        if self._ended or (self._filling and not self._filling.done()):
            return
        self._filling = self._worker.submit(self._vectors.fill_some)
        self._filling.add_done_callback(self._filled)
        _logged(self._filling)

    async def finish(self) -> None:
        """Returns when every upload has been stored or refused. Crawls are ended, vectors made at the next start."""
        self._ended = True
        self._vectors.stop()
        for operation in list(self._crawls.values()):
            operation.cancelled.set()
        futures = [*self._uploads, *self._crawls]
        await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        self._crawler.shutdown()
        await asyncio.to_thread(self._worker.shutdown)

    def _filled(self, future: Future[bool]) -> None:
        if not future.cancelled() and not future.exception() and future.result():
            self._filling = None
            self.fill_vectors()

    def _ingest(self, upload: Upload, operation: Job) -> None:
        def advance(percent: int) -> None:
            if (percent := 10 + 85 * percent // 100) > operation.progress:
                self._operations.advance(operation, "storing", percent)

        def work() -> None:
            with upload.file:
                self._operations.begin(operation, "storing", 10, f"Storing {upload.filename}")
                self._finish(operation, self._storage.add_document(upload.document(), upload.chunks(advance)))

        self._guarded(operation, f"upload of {upload.filename!r}", work)

    def _crawl(self, request: CrawlRequest, operation: Job) -> None:
        def fetched(so_far: Fetched) -> None:
            percent = 1 + 58 * so_far.done // max(so_far.known, 1)
            counts = {"processedPages": so_far.done, "totalPages": so_far.known, "currentUrl": so_far.url}
            self._operations.advance(operation, "crawling", percent, f"Fetching {so_far.url}", **counts)

        def work() -> None:
            self._operations.begin(operation, "crawling", 1, f"Crawling {request.url}")
            with crawl(request, self._limits, self._browser, operation.cancelled, fetched) as site:
                # By the worker that stores uploads, too: one writer at a time.
                self._worker.submit(self._store_site, request, site, operation).result()

        self._guarded(operation, f"crawl of {request.url!r}", work)

    def _store_site(self, request: CrawlRequest, site: Site, operation: Job) -> None:
        def advance(percent: int) -> None:
            self._operations.advance(operation, "document_storage", 60 + 35 * percent // 100)

        self._operations.advance(operation, "document_storage", 60, f"Storing {site.page_count} pages of {request.url}")
        before = self._storage.document(sources.source_id_of(request.url))
        document = sources.site_document(request, site, before)
        stored = self._storage.add_document(document, sources.site_chunks(site, advance))
        counts = {"completedDocuments": site.page_count, "totalDocuments": site.page_count}
        code = {"codeBlocksFound": stored.code_count, "codeExamplesStored": stored.code_count}
        self._finish(operation, stored, **counts, **code)

    def _guarded(self, operation: Job, what: str, work: Callable[[], None]) -> None:
        """Runs the work and gives the operation its end if that was not a good one."""
        try:
            work()
        except Cancelled:
            log.info("%s cancelled", what)
            self._operations.finish(operation, "cancelled", "Stopped; nothing of it was stored")
        except (UnreadableFile, CrawlFailed, RequestError) as error:
            log.warning("%s refused: %s", what, error)
            self._operations.finish(operation, "error", str(error), error=str(error))
        except Exception as error:
            log.exception("%s failed", what)
            reason = f"Internal error ({type(error).__name__}); the server's log has the details"
            self._operations.finish(operation, "error", reason, error=reason)

    def _finish(self, operation: Job, document: Document, **result: Any) -> None:
        """EmbeddingBackfill for what is stored, and the good end of the operation. Stored is stored: nothing here can fail it."""
        log.info("stored %s: %d chunks", document.source_id, document.chunk_count)
        message = f"Stored {document.chunk_count} passages of {document.shown_title}"

        def advance(made: int) -> None:
            percent = 95 + 4 * made // max(document.chunk_count, 1)
            self._operations.advance(operation, operation.status, percent)

        try:
            made = self._vectors.fill(document.source_id, advance)
            result |= {"vectorsStored": made} if made else {}
        except EmbeddingsUnavailable as error:
            message += f", for now without vectors: {error}"
        except (Cancelled, RequestError):
            message += ", for now without all their vectors"
        self._operations.finish(
            operation,
            "completed",
            message,
            chunksStored=document.chunk_count,
            wordCount=document.word_count,
            sourceId=document.source_id,
            **result,
        )


def _tracked(futures: dict[Future[None], Job], future: Future[None], operation: Job) -> str:
    """Keeps the future among `futures` until it has ended; returns the operation's id."""
    futures[future] = operation
    future.add_done_callback(futures.pop)
    _logged(future)
    return operation.progress_id


def _logged(future: Future[Any]) -> None:
    def ended(future: Future[Any]) -> None:
        if not future.cancelled() and (error := future.exception()):
            log.error("work in the background failed: %s", error, exc_info=error)

    future.add_done_callback(ended)
