"""In which order results are shown. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..storage import StoredPassage

RANK_CONSTANT = 60
"""Of reciprocal rank fusion: how little the first place counts more than the second. 60 is the usual value."""


@dataclass(frozen=True)
class RankedPassage:
    """A passage, its score if it was reranked, and its place in retrieval's order, from 1."""

    passage: StoredPassage
    rerank_score: float | None
    retrieval_rank: int


def rank(passages: Sequence[StoredPassage], scores: Sequence[float] | None, *, fuse: bool) -> list[RankedPassage]:
    """The passages, best first. They come in retrieval's order, which stays where there are no `scores`."""
    if scores is None:
        return [RankedPassage(passage, None, place) for place, passage in enumerate(passages, 1)]
    best_first = fused_with_retrieval(scores) if fuse else by_scores(scores)
    return [RankedPassage(passages[index], scores[index], index + 1) for index in best_first]


def by_scores(scores: Sequence[float]) -> list[int]:
    """Indexes of a ranking's passages by a model's scores, best first; the ranking decides between equal scores."""
    return sorted(range(len(scores)), key=lambda index: -scores[index])


def fused_with_retrieval(scores: Sequence[float]) -> list[int]:
    """As `by_scores`, but each passage counts by its place in the ranking as much as by its place by scores.

    For models that judge some questions worse than the ranking does: what both put high comes first.
    """
    place = {index: place for place, index in enumerate(by_scores(scores))}
    points = [1 / (RANK_CONSTANT + index) + 1 / (RANK_CONSTANT + place[index]) for index in range(len(scores))]
    return by_scores(points)


def fuse_rankings(rankings: Sequence[Sequence[StoredPassage]]) -> list[StoredPassage]:
    """One ranking made of several: each place gives 1 / (RANK_CONSTANT + place), and most points come first.

    `similarity` becomes the share of the points that the first place in all rankings would give: it is in 0..1 and
    falls from passage to passage.
    """
    points: dict[int, float] = {}
    passages: dict[int, StoredPassage] = {}
    for ranking in rankings:
        for place, passage in enumerate(ranking, start=1):
            passages.setdefault(passage.id, passage)
            points[passage.id] = points.get(passage.id, 0.0) + 1 / (RANK_CONSTANT + place)
    most = len(rankings) / (RANK_CONSTANT + 1)
    best_first = sorted(passages, key=lambda id_: -points[id_])
    return [replace(passages[id_], similarity=points[id_] / most) for id_ in best_first]
