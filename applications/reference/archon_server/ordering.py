"""In which order results are shown. Pure."""

from collections.abc import Sequence

RANK_CONSTANT = 60
"""Of reciprocal rank fusion: how little the first place counts more than the second. 60 is the usual value."""


def by_scores(scores: Sequence[float]) -> list[int]:
    """Indexes of a ranking's passages by a model's scores, best first; between equal ones the ranking decides."""
    return sorted(range(len(scores)), key=lambda index: -scores[index])


def fused(scores: Sequence[float]) -> list[int]:
    """As `by_scores`, but each passage counts by its place in the ranking as much as by its place by scores.

    For models that judge some questions worse than the ranking does: what both put high comes first.
    """
    place = {index: place for place, index in enumerate(by_scores(scores))}
    points = [1 / (RANK_CONSTANT + index) + 1 / (RANK_CONSTANT + place[index]) for index in range(len(scores))]
    return by_scores(points)
