"""A search: retrieve candidates, rerank them, return the best."""

import time
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from ..embeddings.client import EmbeddingClient
from ..errors import Invalid
from ..metrics import Metrics
from ..reranking.managed_model import ManagedModel
from ..reranking.service import RerankingService, RerankingUnavailable
from ..settings.runtime_settings import EffectiveSettings, RuntimeSettings
from ..storage import Storage, StoredPassage
from .ranking import RankedPassage, rank
from .retrieval import Candidates, Mode, find_candidates

CANDIDATES_PER_RESULT = 5
MAX_CANDIDATES = 50
"""Bounds what one search costs the reranker. A search that asks for more results gets that many candidates."""


@dataclass(frozen=True)
class SearchRequest:
    """`source_id` limits the search to one knowledge item.

    `rerank` says whether a model reranks the passages; None means that the settings decide. `model` names a model of
    the release to use instead of the active one.
    """

    query: str
    source_id: str | None
    match_count: int
    rerank: bool | None
    model: str | None
    code_only: bool = False


@dataclass(frozen=True)
class RerankResult:
    """`scores` are None if the passages were not reranked. `problem` says why, if they should have been."""

    scores: list[float] | None = None
    problem: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class SearchResult:
    """`passages` are best first; times are in seconds."""

    passages: list[RankedPassage]
    mode: Mode
    retrieval_problem: str | None
    reranking_enabled: bool
    reranking: RerankResult
    notice: str | None
    retrieval_seconds: float
    rerank_seconds: float


class SearchService:
    def __init__(
        self,
        storage: Storage,
        reranking: RerankingService,
        metrics: Metrics,
        runtime_settings: RuntimeSettings,
        embeddings: EmbeddingClient,
    ) -> None:
        self._storage = storage
        self._reranking = reranking
        self._metrics = metrics
        self._runtime_settings = runtime_settings
        self._embeddings = embeddings

    async def search(self, request: SearchRequest) -> SearchResult:
        """Raises Invalid for an empty query or an unknown model, Busy if too many searches wait for the reranker."""
        if not request.query.strip():
            raise Invalid("Query cannot be empty")
        named = self._reranking.named(request.model) if request.model else None
        started = time.perf_counter()
        with self._metrics.retrieval_seconds.time():
            effective, candidates = await run_in_threadpool(self._retrieve, request)
        retrieved = time.perf_counter()
        wants_rerank = effective.use_reranking if request.rerank is None else request.rerank
        reranked = RerankResult()
        if wants_rerank:
            reranked = await self._rerank(request.query, candidates.passages, named)
        ended = time.perf_counter()
        ranked = rank(candidates.passages, reranked.scores, fuse=effective.fuse_reranking)
        return SearchResult(
            passages=ranked[: request.match_count],
            mode=candidates.mode,
            retrieval_problem=candidates.problem,
            reranking_enabled=effective.use_reranking,
            reranking=reranked,
            notice=self._reranking.active_model.notice,
            retrieval_seconds=retrieved - started,
            rerank_seconds=ended - retrieved,
        )

    def _retrieve(self, request: SearchRequest) -> tuple[EffectiveSettings, Candidates]:
        effective = self._runtime_settings.effective()
        limit = max(request.match_count, min(request.match_count * CANDIDATES_PER_RESULT, MAX_CANDIDATES))
        return effective, find_candidates(
            self._storage, self._embeddings, effective, request.query, limit, request.source_id, request.code_only
        )

    async def _rerank(self, query: str, passages: list[StoredPassage], named: ManagedModel | None) -> RerankResult:
        if not passages or not self._reranking.active_model.current:
            return RerankResult()
        try:
            scores, model = await self._reranking.rerank(query, [text_to_score(each) for each in passages], named)
        except RerankingUnavailable as error:
            return RerankResult(problem=str(error))
        return RerankResult(scores, model=model.name)


def text_to_score(passage: StoredPassage) -> str:
    """The passage under its headings, unless it starts with one: "It is 30 seconds." alone answers nothing."""
    if not passage.headings or passage.text.startswith("#"):
        return passage.text
    return f"{' > '.join(passage.headings)}\n{passage.text}"
