"""Stores uploads and crawled sites in the background, one at a time."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..crawling import CrawlFailed, CrawlProgress, CrawlRequest, Site, crawl, landlock
from ..embeddings.backfill import EmbeddingBackfill
from ..embeddings.client import EmbeddingsUnavailable
from ..errors import Busy, Cancelled, RequestError
from ..extraction import UnreadableFile
from ..extraction.encodings import Encoding
from ..settings import CrawlLimits
from ..storage import Document, Storage
from . import sources
from .index_backfill import IndexBackfill
from .jobs import Job, Jobs
from .sources import Upload

UPLOAD_LIMIT = 16
"""Uploads that may wait or be processed at a time; each keeps its file on the disk while it waits."""

CRAWL_LIMIT = 4
"""Crawls that may wait or run; one runs at a time."""

SHOWN_LEFT_OUT = 5
"""Things left out that the message of a job names; the job's result has all of them."""

log = logging.getLogger(__name__)


class IngestionService:
    """One worker stores, so that two large documents do not compete for the database's write lock; another crawls."""

    def __init__(
        self,
        storage: Storage,
        jobs: Jobs,
        backfill: EmbeddingBackfill,
        limits: CrawlLimits,
        browser: Path | None = None,
    ) -> None:
        self._storage = storage
        self._jobs = jobs
        self._backfill = backfill
        self._limits = limits
        self._browser = browser
        self._worker = ThreadPoolExecutor(1, "ingestion")
        self._crawler = ThreadPoolExecutor(1, "crawler")
        self._uploads: dict[Future[None], Job] = {}
        self._crawls: dict[Future[None], Job] = {}
        self._filling: Future[bool] | None = None
        self._index_backfill = IndexBackfill(storage, self._worker)
        self._stopping = False

    def start(self) -> None:
        _log_failure(self._worker.submit(self._jobs.end_interrupted))
        self._index_backfill.start()
        self.fill_vectors()
        if self._browser and (version := landlock.available()) < landlock.COMPLETE:
            problem = (
                "crawls run scripts in %s; Landlock version %d of this kernel and engine confines them less than "
                "version %d"
            )
            log.warning(problem, self._browser, version, landlock.COMPLETE)

    def submit(self, upload: Upload) -> str:
        """Takes ownership of the upload and returns the id to ask for its progress.

        Closes the file and raises Busy if too many uploads wait.
        """
        if len(self._uploads) >= UPLOAD_LIMIT:
            upload.file.close()
            raise Busy(f"{UPLOAD_LIMIT} uploads are already waiting; send this one again later", retry_after=5)
        job = self._jobs.enqueue("document", f"Reading {upload.filename}", fileName=upload.filename)
        return _track(self._uploads, self._worker.submit(self._ingest, upload, job), job)

    def submit_crawl(self, request: CrawlRequest) -> str:
        """Returns the id to ask for its progress. Raises Busy if too many wait."""
        if len(self._crawls) >= CRAWL_LIMIT:
            raise Busy(f"{CRAWL_LIMIT} crawls are already waiting; start this one later", retry_after=30)
        job = self._jobs.enqueue(
            "crawl", f"Waiting to crawl {request.url}", url=request.url, currentUrl=request.url, crawlType="normal"
        )
        return _track(self._crawls, self._crawler.submit(self._crawl, request, job), job)

    def fill_vectors(self) -> None:
        """Makes vectors for passages that were stored without them, or with those of another embedding model.

        A batch at a time, between the uploads.
        """
        if self._stopping or (self._filling and not self._filling.done()):
            return
        self._filling = self._worker.submit(self._backfill.fill_some)
        self._filling.add_done_callback(self._filled)
        _log_failure(self._filling)

    async def finish(self) -> None:
        """Stops crawls, and waits until every upload has been stored or refused."""
        self._stopping = True
        self._backfill.stop()
        for job in list(self._crawls.values()):
            job.cancelled.set()
        futures = [*self._uploads, *self._crawls]
        await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        self._crawler.shutdown()
        await asyncio.to_thread(self._index_backfill.stop)
        await asyncio.to_thread(self._worker.shutdown)

    def _filled(self, future: Future[bool]) -> None:
        if not future.cancelled() and not future.exception() and future.result():
            self._filling = None
            self.fill_vectors()

    def _ingest(self, upload: Upload, job: Job) -> None:
        def advance(percent: int) -> None:
            if (percent := 10 + 85 * percent // 100) > job.progress:
                self._jobs.advance(job, "storing", percent)

        def work() -> None:
            with upload.file:
                self._jobs.begin(job, "storing", 10, f"Storing {upload.filename}")
                document = self._storage.add_document(upload.document(), upload.passages(advance))
                self._complete(job, document, upload.left_out, upload.guesses)

        self._run_job(job, f"upload of {upload.filename!r}", work)

    def _crawl(self, request: CrawlRequest, job: Job) -> None:
        def progressed(progress: CrawlProgress) -> None:
            percent = 1 + 58 * progress.done // max(progress.known, 1)
            counts = {"processedPages": progress.done, "totalPages": progress.known, "currentUrl": progress.url}
            self._jobs.advance(job, "crawling", percent, f"Fetching {progress.url}", **counts)

        def work() -> None:
            self._jobs.begin(job, "crawling", 1, f"Crawling {request.url}")
            with crawl(request, self._limits, self._browser, job.cancelled, progressed) as site:
                # In the worker that also stores uploads, so that there is one writer at a time.
                self._worker.submit(self._store_site, request, site, job).result()

        self._run_job(job, f"crawl of {request.url!r}", work)

    def _store_site(self, request: CrawlRequest, site: Site, job: Job) -> None:
        def advance(percent: int) -> None:
            self._jobs.advance(job, "document_storage", 60 + 35 * percent // 100)

        self._jobs.advance(job, "document_storage", 60, f"Storing {site.page_count} pages of {request.url}")
        before = self._storage.document(sources.source_id_of(request.url))
        document = sources.site_document(request, site, before)
        stored = self._storage.add_document(document, sources.site_passages(site, advance))
        counts = {"completedDocuments": site.page_count, "totalDocuments": site.page_count}
        code = {"codeBlocksFound": stored.code_count, "codeExamplesStored": stored.code_count}
        self._complete(job, stored, site.left_out, site.guesses, **counts, **code)

    def _run_job(self, job: Job, what: str, work: Callable[[], None]) -> None:
        """Runs the work, and finishes the job if the work fails."""
        try:
            work()
        except Cancelled:
            log.info("%s cancelled", what)
            self._jobs.finish(job, "cancelled", "Stopped; nothing was stored")
        except (UnreadableFile, CrawlFailed, RequestError) as error:
            log.warning("%s refused: %s", what, error)
            self._jobs.finish(job, "error", str(error), error=str(error))
        except Exception as error:
            log.exception("%s failed", what)
            reason = f"Internal error ({type(error).__name__}); the server's log has the details"
            self._jobs.finish(job, "error", reason, error=reason)

    def _complete(
        self, job: Job, document: Document, left_out: Sequence[str], guesses: Sequence[Encoding], **result: Any
    ) -> None:
        """Makes vectors for the stored document and completes the job. A failure here cannot undo what is stored."""
        log.info("stored %s: %d passages", document.source_id, document.chunk_count)
        message = f"Stored {document.chunk_count} passages of {document.shown_title}"
        if left_out:
            more = f" and {len(left_out) - SHOWN_LEFT_OUT} more" if len(left_out) > SHOWN_LEFT_OUT else ""
            message += f"; left out: {', '.join(left_out[:SHOWN_LEFT_OUT])}{more}"
            result["leftOut"] = list(left_out)
        if guesses:
            message += f"; read as {', '.join(map(str, guesses))}"
            result["guessedEncodings"] = [asdict(guess) for guess in guesses]

        def advance(done: int) -> None:
            percent = 95 + 4 * done // max(document.chunk_count, 1)
            self._jobs.advance(job, job.status, percent)

        try:
            filled = self._backfill.fill(document.source_id, advance)
            result |= {"vectorsStored": filled.made} if filled.made else {}
            if filled.refused:
                [reason, *_] = filled.refused.values()
                message += f"; {len(filled.refused)} of them get no vector, and are found by words only: {reason}"
                result["withoutVector"] = list(filled.refused)
        except EmbeddingsUnavailable as error:
            message += f", for now without vectors: {error}"
        except (Cancelled, RequestError):
            message += ", for now without all their vectors"
        self._jobs.finish(
            job,
            "completed",
            message,
            chunksStored=document.chunk_count,
            wordCount=document.word_count,
            sourceId=document.source_id,
            **result,
        )


def _track(futures: dict[Future[None], Job], future: Future[None], job: Job) -> str:
    """Keeps the future in `futures` until it has ended; returns the job's id."""
    futures[future] = job
    future.add_done_callback(futures.pop)
    _log_failure(future)
    return job.progress_id


def _log_failure(future: Future[Any]) -> None:
    def ended(future: Future[Any]) -> None:
        if not future.cancelled() and (error := future.exception()):
            log.error("background work failed: %s", error, exc_info=error)

    future.add_done_callback(ended)
