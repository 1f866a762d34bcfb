"""The routes of crawls: start, refresh, stop."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field

from ...crawling import CrawlRequest
from ...errors import Invalid, NotFound
from ...ingestion.jobs import Jobs
from ...ingestion.service import IngestionService
from ...storage import Storage
from .. import schemas


def _web_address(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
        raise ValueError("expected an address that starts with http:// or https://")
    if parts.username or parts.password:
        raise ValueError("expected an address without a user name or password")
    # Raises ValueError for a bad port now and not in the middle of a crawl.
    _ = parts.port
    return parts._replace(fragment="").geturl()


class Crawl(BaseModel):
    url: Annotated[str, Field(max_length=2000), AfterValidator(_web_address)]
    knowledge_type: Annotated[str, Field(min_length=1, max_length=100)] = "technical"
    tags: Annotated[list[Annotated[str, Field(max_length=255)]], Field(max_length=100)] = []
    update_frequency: Annotated[int, Field(ge=0, le=3650)] = 7
    max_depth: Annotated[int, Field(ge=0, le=5)] = 2
    extract_code_examples: bool = True


def router(storage: Storage, jobs: Jobs, ingestion: IngestionService) -> APIRouter:
    api = APIRouter(prefix="/api/knowledge-items", tags=["crawls"])

    @api.post("/crawl")
    def crawl(request: Crawl) -> schemas.CrawlStarted:
        progress_id = ingestion.submit_crawl(
            CrawlRequest(
                url=request.url,
                max_depth=request.max_depth,
                knowledge_type=request.knowledge_type,
                tags=tuple(request.tags),
                update_frequency=request.update_frequency,
            )
        )
        return schemas.CrawlStarted(
            success=True, progressId=progress_id, message="Crawling started", estimatedDuration="3-5 minutes"
        )

    @api.post("/{source_id}/refresh")
    def refresh(source_id: str) -> schemas.RefreshStarted:
        document = storage.document(source_id)
        if document is None:
            raise NotFound(f"Knowledge item {source_id} not found")
        if document.crawl is None:
            raise Invalid(f"{source_id} is an uploaded file; only crawled sites can be refreshed, so upload it again")
        progress_id = ingestion.submit_crawl(
            CrawlRequest(
                url=document.url,
                max_depth=document.crawl["max_depth"],
                knowledge_type=document.knowledge_type,
                tags=document.tags,
                update_frequency=document.update_frequency,
            )
        )
        return schemas.RefreshStarted(progressId=progress_id, message=f"Started refresh for {document.url}")

    @api.post("/stop/{progress_id}")
    def stop(progress_id: str) -> schemas.CrawlStopped:
        jobs.cancel(progress_id)
        return schemas.CrawlStopped(success=True, message="Crawl task stopped successfully", progressId=progress_id)

    return api
