"""The route of uploads."""

import json
import os
import re
from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile

from ...errors import Invalid
from ...ingestion.service import IngestionService
from ...ingestion.sources import Upload
from .. import schemas
from ..middleware import file_too_large
from ..upload_form import UploadRoute

UPLOAD_PATH = "/api/documents/upload"

_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)


def router(ingestion: IngestionService, max_upload_bytes: int) -> APIRouter:
    api = APIRouter(tags=["documents"], route_class=UploadRoute)

    @api.post(UPLOAD_PATH)
    def upload(
        file: Annotated[UploadFile, File()],
        tags: Annotated[str, Form()] = "[]",
        knowledge_type: Annotated[str, Form(max_length=100)] = "technical",
    ) -> schemas.UploadStarted:
        size = file.size or 0
        if size > max_upload_bytes:
            raise file_too_large(max_upload_bytes)
        filename = _display_name(file.filename or "")
        parsed_tags = _parse_tags(tags)
        # The framework closes its file with the response, but a copy of the descriptor stays open. Asking for the
        # descriptor also moves a file that was held in memory so far to the disk.
        descriptor = file.file.fileno()
        file.file.flush()
        copy = os.fdopen(os.dup(descriptor), "rb")
        copy.seek(0)
        progress_id = ingestion.submit(
            Upload(copy, filename, size, knowledge_type, parsed_tags, charset=_charset(file.content_type or ""))
        )
        return schemas.UploadStarted(
            success=True, progressId=progress_id, message="Document upload started", filename=filename
        )

    return api


def _display_name(name: str) -> str:
    """The last part of the path that a client sent, printable. It is shown and searched, never opened."""
    printable = "".join(character for character in name if character.isprintable())
    return re.split(r"[\\/]", printable)[-1][:255] or "unnamed"


def _charset(content_type: str) -> str:
    """The encoding that the part's Content-Type names; empty if none, or if it is no label of an encoding."""
    named = _CHARSET.search(content_type)
    return named[1] if named else ""


def _parse_tags(text: str) -> tuple[str, ...]:
    try:
        tags = json.loads(text or "[]")
    except (ValueError, RecursionError):
        tags = None
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag.isprintable() for tag in tags):
        raise Invalid(f'tags: got {text[:200]!r}, expected a JSON list of printable strings like ["manual", "v2"]')
    return tuple(tags)
