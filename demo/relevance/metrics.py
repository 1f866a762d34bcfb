"""NDCG@10 and MRR."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

DEPTH = 10


@dataclass(frozen=True)
class Quality:
    """Means over `questions`, each from 0 (worst) to 1 (best)."""

    questions: int
    ndcg10: float
    mrr: float


def ndcg(relevant: Sequence[bool], relevant_total: int) -> float:
    """NDCG@10 of one ranking.

    Args:
        relevant: whether each ranked passage is relevant, best first.
        relevant_total: the number of relevant passages in the collection; at least 1.
    """
    gain = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(relevant[:DEPTH], start=1) if hit)
    ideal_gain = sum(1 / math.log2(rank + 1) for rank in range(1, min(relevant_total, DEPTH) + 1))
    return gain / ideal_gain


def reciprocal_rank(relevant: Sequence[bool]) -> float:
    """1 / rank of the first relevant passage; 0 if there is none."""
    return next((1 / rank for rank, hit in enumerate(relevant, start=1) if hit), 0.0)


def mean_quality(rankings: Sequence[tuple[Sequence[bool], int]]) -> Quality:
    """The mean quality of at least one ranking; each is a pair of the arguments of `ndcg`."""
    count = len(rankings)
    return Quality(
        count,
        sum(ndcg(relevant, total) for relevant, total in rankings) / count,
        sum(reciprocal_rank(relevant) for relevant, _ in rankings) / count,
    )
