"""The routes of progress, for clients that poll."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from ...ingestion.jobs import Jobs
from ...storage import FINISHED
from .. import schemas

POLL_INTERVAL_MS = 1000

_LISTED_NAMES = {
    "sourceId": "source_id",
    "url": "url",
    "currentUrl": "current_url",
    "crawlType": "crawl_type",
    "processedPages": "pages_crawled",
    "totalPages": "total_pages",
    "completedDocuments": "documents_created",
    "codeBlocksFound": "code_blocks_found",
}
"""In the list of operations Archon calls these fields of a progress body differently."""


def router(jobs: Jobs) -> APIRouter:
    api = APIRouter(tags=["progress"])

    @api.get("/api/progress/", response_model_exclude_unset=True)
    def unfinished() -> schemas.OperationList:
        found = [_listed(body) for body in jobs.unfinished()]
        return schemas.OperationList(operations=found, count=len(found), timestamp=datetime.now(UTC).isoformat())

    @api.get("/api/progress/{progress_id}", response_model=schemas.Progress)
    @api.get("/api/crawl-progress/{progress_id}", response_model=schemas.Progress)
    def progress(progress_id: str, if_none_match: Annotated[str, Header()] = "") -> Response:
        body = jobs.body(progress_id)
        content = json.dumps(body).encode()
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {
            "ETag": etag,
            "Cache-Control": "no-cache, must-revalidate",
            "X-Poll-Interval": "0" if body["status"] in FINISHED else str(POLL_INTERVAL_MS),
        }
        known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
        if etag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="application/json", headers=headers)

    return api


def _listed(body: dict[str, Any]) -> schemas.ListedOperation:
    return schemas.ListedOperation(
        operation_id=body["progressId"],
        operation_type="upload" if "uploadType" in body else "crawl",
        status=body["status"],
        progress=body["progress"],
        message=body["message"],
        started_at=body.get("startedAt"),
        **{listed: body[name] for name, listed in _LISTED_NAMES.items() if name in body},
    )
