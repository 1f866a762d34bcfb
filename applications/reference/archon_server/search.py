"""Search: retrieve candidates, let the reranker judge them, answer with the best."""

import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from . import ordering, retrieval, shapes
from .chunking import code_blocks
from .embeddings import Embeddings
from .errors import Invalid
from .metrics import Metrics
from .preferences import Effective, Preferences
from .reranking.service import RerankingService, RerankingUnavailable
from .reranking.slot import Slot
from .storage import Passage, Storage

CANDIDATES_PER_RESULT = 5
MAX_CANDIDATES = 50
"""Bounds what one search costs the reranker; a search that asks for more results than that gets as many candidates."""


class Search(BaseModel):
    query: Annotated[str, Field(max_length=2000)]
    source: Annotated[str, Field(max_length=200)] | None = None
    match_count: Annotated[int, Field(ge=1, le=100)] = 5
    return_mode: Literal["chunks", "pages"] = "chunks"
    rerank: bool | None = None
    """Whether the model judges the passages of this search; None means what the settings say."""
    model: Annotated[str, Field(max_length=200)] | None = None
    """The name of a model of the release, to be used instead of the active one."""


@dataclass(frozen=True)
class Judgement:
    """`scores` are None if the passages were not reranked; `problem` says why, if they should have been."""

    scores: list[float] | None = None
    problem: str | None = None
    model: str | None = None


def router(
    storage: Storage, reranking: RerankingService, metrics: Metrics, preferences: Preferences, embeddings: Embeddings
) -> APIRouter:
    api = APIRouter(tags=["search"])

    def retrieved(request: Search, code_only: bool) -> tuple[Effective, retrieval.Found]:
        candidates = max(request.match_count, min(request.match_count * CANDIDATES_PER_RESULT, MAX_CANDIDATES))
        effective = preferences.effective()
        return effective, retrieval.find(
            storage, embeddings, effective, request.query, candidates, request.source, code_only
        )

    async def judge(query: str, passages: list[Passage], named: Slot | None) -> Judgement:
        if not passages or not reranking.choice.active:
            return Judgement()
        try:
            scores, model = await reranking.rerank(query, [judged_text(each) for each in passages], named)
        except RerankingUnavailable as error:
            return Judgement(problem=str(error))
        return Judgement(scores, model=model.name)

    async def answer(request: Search, code_only: bool = False) -> dict[str, Any]:
        """Everything of the reply but its results, which are in "rows", as `_ranked` gives them."""
        if not request.query.strip():
            raise Invalid("Query cannot be empty")
        named = reranking.known(request.model) if request.model else None
        started = time.perf_counter()
        with metrics.retrieval_seconds.time():
            effective, found = await run_in_threadpool(retrieved, request, code_only)
        found_at = time.perf_counter()
        wanted = effective.use_reranking if request.rerank is None else request.rerank
        judgement = await judge(request.query, found.passages, named) if wanted else Judgement()
        ended = time.perf_counter()
        rows = _ranked(found.passages, judgement.scores, effective.fuse_reranking)[: request.match_count]
        return {
            "rows": rows,
            "query": request.query,
            "source": request.source,
            "match_count": request.match_count,
            "total_found": len(rows),
            "execution_path": "rag_service_pipeline",
            "search_mode": found.mode,
            "search_error": found.problem,
            # As in Archon, pages are answered with chunks where no chunk knows its page.
            "return_mode": "chunks",
            "reranking_enabled": effective.use_reranking,
            "reranking_applied": judgement.scores is not None,
            "reranking_error": judgement.problem,
            "model": judgement.model,
            "reranking_notice": reranking.choice.notice,
            "timings": {
                "retrieval_ms": _milliseconds(found_at - started),
                "rerank_ms": _milliseconds(ended - found_at),
                "total_ms": _milliseconds(ended - started),
            },
            "success": True,
        }

    @api.post("/api/rag/query")
    @api.post("/api/knowledge-items/search")
    @api.post("/api/knowledge/search")
    async def search(request: Search) -> dict[str, Any]:
        reply = await answer(request)
        return {"results": [shapes.result(*row) for row in reply.pop("rows")], **reply}

    @api.post("/api/rag/code-examples")
    @api.post("/api/code-examples")
    async def code_examples(request: Search) -> dict[str, Any]:
        """Searches the passages that hold fenced code, and answers with that code."""
        reply = await answer(request, code_only=True)
        results = [
            shapes.code_result(passage, code, score)
            for passage, score, _ in reply["rows"]
            for code in code_blocks(passage.text)
        ]
        return {
            "success": True,
            "results": results[: request.match_count],
            "reranked": reply["reranking_applied"],
            "error": reply["reranking_error"],
        }

    return api


def _ranked(passages: list[Passage], scores: list[float] | None, fuse: bool) -> list[tuple[Passage, float | None, int]]:
    """Passages with their scores and their places in retrieval's order, from 1; best first."""
    if scores is None:
        return [(passage, None, place) for place, passage in enumerate(passages, 1)]
    best_first = ordering.fused(scores) if fuse else ordering.by_scores(scores)
    return [(passages[index], scores[index], index + 1) for index in best_first]


def judged_text(passage: Passage) -> str:
    """The passage under its headings, unless it starts with one: "It is 30 seconds." alone answers nothing."""
    if not passage.headings or passage.text.startswith("#"):
        return passage.text
    return f"{' > '.join(passage.headings)}\n{passage.text}"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
