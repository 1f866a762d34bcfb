"""The routes of searches: for passages, and for the code in them."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ...passages import code_blocks
from ...search.service import SearchRequest, SearchResult, SearchService
from .. import schemas


class SearchBody(BaseModel):
    query: Annotated[str, Field(max_length=2000)]
    source: Annotated[str, Field(max_length=200)] | None = None
    match_count: Annotated[int, Field(ge=1, le=100)] = 5
    return_mode: Literal["chunks", "pages"] = "chunks"
    rerank: bool | None = None
    """Whether a model reranks the passages of this search; None means that the settings decide."""
    model: Annotated[str, Field(max_length=200)] | None = None
    """The name of a model of the release, to be used instead of the active one."""

    def request(self, *, code_only: bool = False) -> SearchRequest:
        return SearchRequest(self.query, self.source, self.match_count, self.rerank, self.model, code_only)


def router(search_service: SearchService) -> APIRouter:
    api = APIRouter(tags=["search"])

    @api.post("/api/rag/query", response_model_exclude_unset=True)
    @api.post("/api/knowledge-items/search", response_model_exclude_unset=True)
    @api.post("/api/knowledge/search", response_model_exclude_unset=True)
    async def search(body: SearchBody) -> schemas.SearchReply:
        return _reply(body, await search_service.search(body.request()))

    @api.post("/api/rag/code-examples", response_model_exclude_unset=True)
    @api.post("/api/code-examples", response_model_exclude_unset=True)
    async def code_examples(body: SearchBody) -> schemas.CodeSearchReply:
        """Searches the passages that hold fenced code, and answers with that code."""
        found = await search_service.search(body.request(code_only=True))
        hits = [
            schemas.code_hit(ranked, code) for ranked in found.passages for code in code_blocks(ranked.passage.text)
        ]
        return schemas.CodeSearchReply(
            success=True,
            results=hits[: body.match_count],
            reranked=found.reranking.scores is not None,
            error=found.reranking.problem,
        )

    return api


def _reply(body: SearchBody, found: SearchResult) -> schemas.SearchReply:
    return schemas.SearchReply(
        results=[schemas.search_hit(ranked) for ranked in found.passages],
        query=body.query,
        source=body.source,
        match_count=body.match_count,
        total_found=len(found.passages),
        execution_path="rag_service_pipeline",
        search_mode=found.mode,
        search_error=found.retrieval_problem,
        # As in Archon, which answers a request for pages with chunks where no chunk knows its page.
        return_mode="chunks",
        reranking_enabled=found.reranking_enabled,
        reranking_applied=found.reranking.scores is not None,
        reranking_error=found.reranking.problem,
        model=found.reranking.model,
        reranking_notice=found.notice,
        timings=schemas.SearchTimings(
            retrieval_ms=_milliseconds(found.retrieval_seconds),
            rerank_ms=_milliseconds(found.rerank_seconds),
            total_ms=_milliseconds(found.retrieval_seconds + found.rerank_seconds),
        ),
        success=True,
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
