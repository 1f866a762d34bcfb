"""The routes of knowledge items: list, look into, change, delete."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ...errors import NotFound
from ...passages import code_blocks
from ...storage import Document, Storage, StoredPassage
from .. import schemas

Page = Annotated[int, Query(ge=1, le=10**6)]
PerPage = Annotated[int, Query(ge=1, le=100)]
Limit = Annotated[int, Query(ge=1, le=200)]
Offset = Annotated[int, Query(ge=0, le=10**9)]
_Short = Annotated[str, Field(min_length=1, max_length=255)]


class ItemChanges(BaseModel):
    """A field that is left out, or null, stays as it is."""

    title: _Short | None = None
    description: Annotated[str, Field(max_length=10_000)] | None = None
    knowledge_type: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    tags: Annotated[list[_Short], Field(max_length=100)] | None = None
    status: Annotated[str, Field(min_length=1, max_length=50)] | None = None
    update_frequency: Annotated[int, Field(ge=0, le=3650)] | None = None
    group_name: Annotated[str, Field(max_length=255)] | None = None


def router(storage: Storage) -> APIRouter:
    api = APIRouter(tags=["knowledge items"])

    def page_of(
        page: int,
        per_page: int,
        knowledge_type: str | None,
        search: str | None,
        convert: Callable[[Document], schemas.KnowledgeItem | schemas.KnowledgeItemSummary],
    ) -> dict[str, Any]:
        documents, total = storage.documents(
            offset=(page - 1) * per_page, limit=per_page, knowledge_type=knowledge_type, search=search
        )
        return {
            "items": [convert(document) for document in documents],
            "total": total,
            "page": page,
            "per_page": per_page,
            "pages": -(-total // per_page),
        }

    def existing(source_id: str) -> Document:
        document = storage.document(source_id)
        if document is None:
            raise _not_found(source_id)
        return document

    @api.get("/api/knowledge-items")
    def items(
        page: Page = 1, per_page: PerPage = 20, knowledge_type: str | None = None, search: str | None = None
    ) -> schemas.KnowledgeItemPage:
        return schemas.KnowledgeItemPage(**page_of(page, per_page, knowledge_type, search, schemas.knowledge_item))

    @api.get("/api/knowledge-items/summary")
    def summary(
        page: Page = 1, per_page: PerPage = 20, knowledge_type: str | None = None, search: str | None = None
    ) -> schemas.KnowledgeItemSummaryPage:
        found = page_of(page, per_page, knowledge_type, search, schemas.knowledge_item_summary)
        return schemas.KnowledgeItemSummaryPage(**found)

    @api.get("/api/knowledge-items/sources")
    def item_sources() -> list[Any]:
        """Always empty, as in Archon, which keeps the route for old clients."""
        return []

    @api.get("/api/rag/sources")
    def sources() -> schemas.SourceList:
        documents, total = storage.documents()
        return schemas.SourceList(
            success=True, sources=[schemas.source(document) for document in documents], count=total
        )

    @api.get("/api/knowledge-items/{source_id}/chunks")
    def chunks(
        source_id: str, limit: Limit = 20, offset: Offset = 0, domain_filter: str | None = None
    ) -> schemas.ChunkPage:
        document = existing(source_id)
        found, total = storage.passages(document.source_id, offset=offset, limit=limit, domain=domain_filter or "")
        return schemas.ChunkPage(
            success=True,
            source_id=source_id,
            domain_filter=domain_filter,
            chunks=[schemas.chunk(passage) for passage in found],
            total=total,
            limit=limit,
            offset=offset,
            has_more=offset + len(found) < total,
        )

    @api.get("/api/knowledge-items/{source_id}/code-examples")
    def code_examples(source_id: str, limit: Limit = 20, offset: Offset = 0) -> schemas.CodeExamplePage:
        document = existing(source_id)
        # Each of these passages has at least one code block.
        passages, _ = storage.passages(source_id, limit=offset + limit, code_only=True)
        examples = _code_examples(passages)[offset : offset + limit]
        return schemas.CodeExamplePage(
            success=True,
            source_id=source_id,
            code_examples=examples,
            total=document.code_count,
            limit=limit,
            offset=offset,
            has_more=offset + len(examples) < document.code_count,
        )

    @api.put("/api/knowledge-items/{source_id}")
    def update(source_id: str, changes: ItemChanges) -> schemas.ItemUpdated:
        given = changes.model_dump(exclude_none=True)
        if not storage.update_document(source_id, given, datetime.now(UTC).isoformat()):
            raise _not_found(source_id)
        return schemas.ItemUpdated(
            success=True, message=f"Successfully updated knowledge item {source_id}", source_id=source_id
        )

    @api.delete("/api/knowledge-items/{source_id}")
    def delete(source_id: str) -> schemas.Done:
        if not storage.delete_document(source_id):
            raise _not_found(source_id)
        return schemas.Done(success=True, message=f"Successfully deleted knowledge item {source_id}")

    return api


def _code_examples(passages: list[StoredPassage]) -> list[schemas.CodeExample]:
    blocks = [(passage, code) for passage in passages for code in code_blocks(passage.text)]
    return [schemas.code_example(passage, code, number) for number, (passage, code) in enumerate(blocks, start=1)]


def _not_found(source_id: str) -> NotFound:
    return NotFound(f"Knowledge item {source_id} not found")
