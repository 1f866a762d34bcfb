"""Finds the candidates of a search: by words, by vectors, or by both, fused by reciprocal rank."""

from dataclasses import dataclass
from typing import Literal

from ..embeddings.client import EmbeddingClient, EmbeddingsUnavailable, Endpoint
from ..errors import StorageError
from ..settings.runtime_settings import EffectiveSettings
from ..storage import Storage, StoredPassage
from .ranking import fuse_rankings

Mode = Literal["keyword", "vector", "hybrid"]


@dataclass(frozen=True)
class Candidates:
    """`passages` are best first. `problem` says why vectors took no part although they are configured."""

    passages: list[StoredPassage]
    mode: Mode
    problem: str | None = None


def find_candidates(
    storage: Storage,
    embeddings: EmbeddingClient,
    effective: EffectiveSettings,
    query: str,
    limit: int,
    source_id: str | None = None,
    code_only: bool = False,
) -> Candidates:
    """At most `limit` passages, found by words alone where there are no vectors. Blocks."""

    def by_words() -> list[StoredPassage]:
        return storage.search(query, limit, source_id, code_only)

    endpoint = Endpoint.configured(effective)
    if endpoint is None:
        return Candidates(by_words(), "keyword")
    try:
        vector = embeddings.of_question(endpoint, query)
        by_vector = storage.search_vectors(vector, endpoint.model, limit, source_id, code_only)
    except (EmbeddingsUnavailable, StorageError) as error:
        return Candidates(by_words(), "keyword", str(error))
    if not effective.use_hybrid_search:
        return Candidates(by_vector, "vector")
    return Candidates(fuse_rankings([by_words(), by_vector])[:limit], "hybrid")
