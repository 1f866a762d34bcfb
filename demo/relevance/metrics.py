"""NDCG@10 and MRR of one ranking. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

DEPTH = 10


@dataclass(frozen=True)
class Quality:
    """Means over `questions`, in 0..1, higher is better."""

    questions: int
    ndcg10: float
    mrr: float


def ndcg(relevant: Sequence[bool], known: int) -> float:
    """Of a ranking whose places are relevant or not, best first, when `known` passages are relevant in all."""
    gained = sum(1 / math.log2(place + 1) for place, good in enumerate(relevant[:DEPTH], start=1) if good)
    possible = sum(1 / math.log2(place + 1) for place in range(1, min(known, DEPTH) + 1))
    return gained / possible


def reciprocal_rank(relevant: Sequence[bool]) -> float:
    """1 / the place of the first relevant passage; 0 if there is none."""
    return next((1 / place for place, good in enumerate(relevant, start=1) if good), 0.0)


def quality(rankings: Sequence[tuple[Sequence[bool], int]]) -> Quality:
    """Of rankings with their `known`; at least one."""
    count = len(rankings)
    return Quality(
        count,
        sum(ndcg(relevant, known) for relevant, known in rankings) / count,
        sum(reciprocal_rank(relevant) for relevant, _ in rankings) / count,
    )
