"""Archon's JSON shapes, so that its clients can read this server's replies."""

import re
from typing import Any

from .storage import Document, Passage

_WORDS_PER_PAGE = 250
_LINK = re.compile(r"https?://|\]\(")


def item(document: Document) -> dict[str, Any]:
    return {
        "id": document.source_id,
        "title": document.filename,
        "url": _url(document),
        "source_id": document.source_id,
        "source_type": "file",
        "code_examples": [],
        "metadata": {
            "knowledge_type": document.knowledge_type,
            "tags": list(document.tags),
            "source_type": "file",
            "status": "active",
            "description": None,
            "chunks_count": document.chunk_count,
            "word_count": document.word_count,
            "estimated_pages": round(document.word_count / _WORDS_PER_PAGE, 1),
            "last_scraped": document.created_at,
            "file_name": document.filename,
            "file_type": document.file_type,
            "file_size": document.size,
            "code_examples_count": 0,
        },
        "created_at": document.created_at,
        "updated_at": document.created_at,
    }


def source(document: Document) -> dict[str, Any]:
    return {
        "source_id": document.source_id,
        "title": document.filename,
        "summary": None,
        "metadata": {"knowledge_type": document.knowledge_type, "tags": list(document.tags), "source_type": "file"},
        "total_words": document.word_count,
        "update_frequency": 0,
        "created_at": document.created_at,
        "updated_at": document.created_at,
    }


def result(passage: Passage, rerank_score: float | None) -> dict[str, Any]:
    """One row of a search. `rerank_score` (0..1) is there only if the passage was reranked."""
    text = passage.text
    row = {
        "id": passage.id,
        "content": text,
        "metadata": {
            "url": _url(passage.document),
            "tags": list(passage.document.tags),
            "source": passage.document.filename,
            "source_id": passage.document.source_id,
            "source_type": "file",
            "knowledge_type": passage.document.knowledge_type,
            "filename": passage.document.filename,
            "headers": " > ".join(passage.headings),
            "has_code": passage.has_code,
            "has_links": bool(_LINK.search(text)),
            "chunk_index": passage.position,
            "chunk_size": len(text),
            "char_count": len(text),
            "line_count": text.count("\n") + 1,
            "word_count": len(text.split()),
        },
        "similarity_score": passage.similarity,
    }
    return row if rerank_score is None else row | {"rerank_score": rerank_score}


def _url(document: Document) -> str:
    return f"file://{document.filename}"
