"""Search: retrieve candidates by words, let the reranker judge them, answer with the best."""

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from . import shapes
from .errors import Invalid
from .metrics import Metrics
from .reranking.service import RerankingService, RerankingUnavailable
from .storage import Passage, Storage

CANDIDATES_PER_RESULT = 5
MAX_CANDIDATES = 50
"""Bounds what one search costs the reranker; a search that asks for more results than that gets as many candidates."""


class Search(BaseModel):
    query: Annotated[str, Field(max_length=2000)]
    source: Annotated[str, Field(max_length=200)] | None = None
    match_count: Annotated[int, Field(ge=1, le=100)] = 5
    return_mode: Literal["chunks", "pages"] = "chunks"
    model: Annotated[str, Field(max_length=200)] | None = None
    """The name of a model of the release, to be used instead of the active one."""


def router(storage: Storage, reranking: RerankingService, metrics: Metrics) -> APIRouter:
    api = APIRouter(tags=["search"])

    @api.post("/api/rag/query")
    @api.post("/api/knowledge-items/search")
    @api.post("/api/knowledge/search")
    async def search(request: Search) -> dict[str, Any]:
        if not request.query.strip():
            raise Invalid("Query cannot be empty")
        named = reranking.known(request.model) if request.model else None
        started = time.perf_counter()
        candidates = max(request.match_count, min(request.match_count * CANDIDATES_PER_RESULT, MAX_CANDIDATES))
        with metrics.retrieval_seconds.time():
            passages = await run_in_threadpool(storage.search, request.query, candidates, request.source)
        retrieved = time.perf_counter()

        scores: list[float] | None = None
        problem = model = None
        if passages and reranking.choice.active:
            try:
                texts = [_judged_text(passage) for passage in passages]
                scores, model = await reranking.rerank(request.query, texts, named)
            except RerankingUnavailable as error:
                problem = str(error)
        rows = _ranked(passages, scores)[: request.match_count]
        reranked = time.perf_counter()
        return {
            "success": True,
            "results": [shapes.result(passage, score) for passage, score in rows],
            "query": request.query,
            "source": request.source,
            "match_count": request.match_count,
            "total_found": len(rows),
            "execution_path": "rag_service_pipeline",
            "search_mode": "keyword",
            # As in Archon, pages are answered with chunks where no chunk knows its page; uploads never do.
            "return_mode": "chunks",
            "reranking_applied": scores is not None,
            "reranking_error": problem,
            "model": model and model.name,
            "timings": {
                "retrieval_ms": _milliseconds(retrieved - started),
                "rerank_ms": _milliseconds(reranked - retrieved),
                "total_ms": _milliseconds(reranked - started),
            },
        }

    return api


def _ranked(passages: list[Passage], scores: list[float] | None) -> list[tuple[Passage, float | None]]:
    """Best first; retrieval's order decides between equal scores, and is the order if there are none."""
    if scores is None:
        return [(passage, None) for passage in passages]
    best_first = sorted(range(len(passages)), key=lambda index: -scores[index])
    return [(passages[index], scores[index]) for index in best_first]


def _judged_text(passage: Passage) -> str:
    """The passage under its headings, unless it starts with one: "It is 30 seconds." alone answers nothing."""
    if not passage.headings or passage.text.startswith("#"):
        return passage.text
    return f"{' > '.join(passage.headings)}\n{passage.text}"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
