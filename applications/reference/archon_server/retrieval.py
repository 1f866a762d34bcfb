"""Finds the candidates of a search: by words, by vectors, or by both, fused by reciprocal rank."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .embeddings import Embeddings, EmbeddingsUnavailable, Endpoint
from .errors import StorageError
from .ordering import RANK_CONSTANT
from .preferences import Effective
from .storage import Passage, Storage

Mode = Literal["keyword", "vector", "hybrid"]


@dataclass(frozen=True)
class Found:
    """`passages` are best first. `problem` says why vectors took no part although they are configured."""

    passages: list[Passage]
    mode: Mode
    problem: str | None = None


def find(
    storage: Storage,
    embeddings: Embeddings,
    effective: Effective,
    query: str,
    limit: int,
    source_id: str | None = None,
    code_only: bool = False,
) -> Found:
    """Blocks. At most `limit` passages; by words alone where no vectors can be had."""
    endpoint = Endpoint.configured(effective)
    if endpoint is None:
        return Found(storage.search(query, limit, source_id, code_only), "keyword")
    try:
        vector = embeddings.of_question(endpoint, query)
        close = storage.search_vectors(vector, endpoint.model, limit, source_id, code_only)
    except (EmbeddingsUnavailable, StorageError) as error:
        return Found(storage.search(query, limit, source_id, code_only), "keyword", str(error))
    if not effective.use_hybrid_search:
        return Found(close, "vector")
    return Found(fuse([storage.search(query, limit, source_id, code_only), close])[:limit], "hybrid")


def fuse(rankings: Sequence[Sequence[Passage]]) -> list[Passage]:
    """One ranking of several: each place gives 1 / (RANK_CONSTANT + place), and who has most comes first.

    `similarity` becomes the share of what first places in all rankings would give, so it is in 0..1 and falls.
    """
    points: dict[int, float] = {}
    passages: dict[int, Passage] = {}
    for ranking in rankings:
        for place, passage in enumerate(ranking, start=1):
            passages.setdefault(passage.id, passage)
            points[passage.id] = points.get(passage.id, 0.0) + 1 / (RANK_CONSTANT + place)
    most = len(rankings) / (RANK_CONSTANT + 1)
    best_first = sorted(passages, key=lambda id_: -points[id_])
    return [replace(passages[id_], similarity=points[id_] / most) for id_ in best_first]
