"""The routes of documents: upload, list, delete."""

import json
import os
import re
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, UploadFile

from . import shapes
from .access import file_too_large
from .errors import Invalid, NotFound
from .ingestion import Ingestion, Upload
from .storage import Storage

UPLOAD_PATH = "/api/documents/upload"


def router(storage: Storage, ingestion: Ingestion, max_upload_bytes: int) -> APIRouter:
    api = APIRouter(tags=["documents"])

    @api.post(UPLOAD_PATH)
    def upload(
        file: Annotated[UploadFile, File()],
        tags: Annotated[str, Form()] = "[]",
        knowledge_type: Annotated[str, Form(max_length=100)] = "technical",
    ) -> dict[str, Any]:
        size = file.size or 0
        if size > max_upload_bytes:
            raise file_too_large(max_upload_bytes)
        filename = _display_name(file.filename or "")
        parsed = _tags(tags)
        # The framework closes its file with the response; a copy of the descriptor lives on. A file that was held in
        # memory so far moves to the disk when it is asked for its descriptor.
        descriptor = file.file.fileno()
        file.file.flush()
        copy = os.fdopen(os.dup(descriptor), "rb")
        copy.seek(0)
        progress_id = ingestion.submit(Upload(copy, filename, size, knowledge_type, parsed))
        return {"success": True, "progressId": progress_id, "message": "Document upload started", "filename": filename}

    @api.get("/api/knowledge-items")
    def knowledge_items(
        page: Annotated[int, Query(ge=1, le=10**6)] = 1,
        per_page: Annotated[int, Query(ge=1, le=100)] = 20,
        knowledge_type: str | None = None,
        search: str | None = None,
    ) -> dict[str, Any]:
        documents, total = storage.documents(
            offset=(page - 1) * per_page, limit=per_page, knowledge_type=knowledge_type, search=search
        )
        return {
            "items": [shapes.item(document) for document in documents],
            "total": total,
            "page": page,
            "per_page": per_page,
            "pages": -(-total // per_page),
        }

    @api.get("/api/rag/sources")
    def sources() -> dict[str, Any]:
        documents, total = storage.documents()
        return {"success": True, "sources": [shapes.source(document) for document in documents], "count": total}

    @api.delete("/api/knowledge-items/{source_id}")
    def delete(source_id: str) -> dict[str, Any]:
        if not storage.delete_document(source_id):
            raise NotFound(f"Knowledge item {source_id} not found")
        return {"success": True, "message": f"Successfully deleted knowledge item {source_id}"}

    return api


def _display_name(name: str) -> str:
    """The last part of whatever path a client sent, printable. It is shown and searched, never opened."""
    printable = "".join(character for character in name if character.isprintable())
    return re.split(r"[\\/]", printable)[-1][:255] or "unnamed"


def _tags(text: str) -> tuple[str, ...]:
    try:
        tags = json.loads(text or "[]")
    except (ValueError, RecursionError):
        tags = None
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag.isprintable() for tag in tags):
        raise Invalid(f'tags: got {text[:200]!r}, expected a JSON list of printable strings like ["manual", "v2"]')
    return tuple(tags)
