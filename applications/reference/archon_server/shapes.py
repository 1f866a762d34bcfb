"""Archon's JSON shapes, so that its clients can read this server's replies."""

import re
from typing import Any

from .chunking import Code
from .storage import Document, Passage

_WORDS_PER_PAGE = 250
_LINK = re.compile(r"https?://|\]\(")


def item(document: Document) -> dict[str, Any]:
    return {
        "id": document.source_id,
        "title": document.shown_title,
        "url": _url(document),
        "source_id": document.source_id,
        "source_type": document.source_type,
        "code_examples": [],
        "metadata": _metadata(document),
        "created_at": document.created_at,
        "updated_at": _updated_at(document),
    }


def summary(document: Document) -> dict[str, Any]:
    return {
        "source_id": document.source_id,
        "title": document.shown_title,
        "url": _url(document),
        "status": document.status,
        "document_count": document.chunk_count,
        "code_examples_count": document.code_count,
        "knowledge_type": document.knowledge_type,
        "source_type": document.source_type,
        "created_at": document.created_at,
        "updated_at": _updated_at(document),
        "metadata": _metadata(document),
    }


def source(document: Document) -> dict[str, Any]:
    return {
        "source_id": document.source_id,
        "title": document.shown_title,
        "summary": document.description,
        "metadata": {
            "knowledge_type": document.knowledge_type,
            "tags": list(document.tags),
            "source_type": document.source_type,
        },
        "total_words": document.word_count,
        "update_frequency": document.update_frequency,
        "created_at": document.created_at,
        "updated_at": _updated_at(document),
    }


def result(passage: Passage, rerank_score: float | None, retrieval_rank: int) -> dict[str, Any]:
    """One row of a search. `rerank_score` (0..1) is there only if the passage was reranked; `retrieval_rank` is its
    place before that, from 1.
    """
    row = {
        "id": passage.id,
        "content": passage.text,
        "metadata": _passage_metadata(passage),
        "similarity_score": passage.similarity,
        "retrieval_rank": retrieval_rank,
    }
    return row if rerank_score is None else row | {"rerank_score": rerank_score}


def chunk(passage: Passage) -> dict[str, Any]:
    return {
        "id": passage.id,
        "source_id": passage.document.source_id,
        "content": passage.text,
        "metadata": _passage_metadata(passage),
        "url": passage.url or _url(passage.document),
        "title": passage.headings[-1] if passage.headings else passage.document.shown_title,
        "section": " > ".join(passage.headings) or None,
        "source_type": passage.document.source_type,
        "knowledge_type": passage.document.knowledge_type,
    }


def code_example(passage: Passage, code: Code) -> dict[str, Any]:
    """A fenced block; what it is about are the headings that it stands under."""
    return {
        "source_id": passage.document.source_id,
        "url": passage.url or _url(passage.document),
        "chunk_number": passage.position,
        "content": code.text,
        "summary": " > ".join(passage.headings),
        "metadata": {"language": code.language, "char_count": len(code.text)},
    }


def code_result(passage: Passage, code: Code, rerank_score: float | None) -> dict[str, Any]:
    """One row of a search for code."""
    example = code_example(passage, code)
    row = {"code": example["content"], "similarity": passage.similarity}
    row |= {name: example[name] for name in ("url", "summary", "metadata", "source_id")}
    return row if rerank_score is None else row | {"rerank_score": rerank_score}


def _metadata(document: Document) -> dict[str, Any]:
    return {
        "knowledge_type": document.knowledge_type,
        "tags": list(document.tags),
        "source_type": document.source_type,
        "status": document.status,
        "description": document.description,
        "group_name": document.group_name,
        "chunks_count": document.chunk_count,
        "word_count": document.word_count,
        "estimated_pages": round(document.word_count / _WORDS_PER_PAGE, 1),
        "last_scraped": _updated_at(document),
        "file_name": document.filename,
        "file_type": document.file_type,
        "file_size": document.size,
        "update_frequency": document.update_frequency,
        "code_examples_count": document.code_count,
    }


def _passage_metadata(passage: Passage) -> dict[str, Any]:
    text, document = passage.text, passage.document
    return {
        "url": passage.url or _url(document),
        "tags": list(document.tags),
        "source": document.filename,
        "source_id": document.source_id,
        "source_type": document.source_type,
        "knowledge_type": document.knowledge_type,
        "filename": document.filename,
        "headers": " > ".join(passage.headings),
        "has_code": passage.has_code,
        "has_links": bool(_LINK.search(text)),
        "chunk_index": passage.position,
        "chunk_size": len(text),
        "char_count": len(text),
        "line_count": text.count("\n") + 1,
        "word_count": len(text.split()),
    }


def _url(document: Document) -> str:
    return document.url or f"file://{document.filename}"


def _updated_at(document: Document) -> str:
    return document.updated_at or document.created_at
