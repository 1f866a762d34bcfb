"""The known answer: three questions whose passages any working reranker tells apart."""

import math
from dataclasses import dataclass

from . import Reranker, UnusableRelease

KNOWN = (
    (
        "How do bees make honey?",
        "Bees make honey from the nectar of flowers: they carry it to the hive and dry it there.",
    ),
    ("What is the boiling point of water?", "The boiling point of water is 100 degrees Celsius at sea level."),
    ("Who wrote the play Hamlet?", "Hamlet is a play that William Shakespeare wrote around the year 1600."),
)


@dataclass(frozen=True)
class KnownAnswer:
    """Scores of one question: of its own passage and of the best among the others."""

    query: str
    right: float
    best_other: float


def check(reranker: Reranker) -> list[KnownAnswer]:
    """Scores every question against every passage; a random scorer passes once in 27 times.

    Raises UnusableRelease, with the scores, if a question does not put its own passage first.
    """
    passages = [passage for _, passage in KNOWN]
    answers = []
    for index, (query, _) in enumerate(KNOWN):
        scores = checked(reranker.score(query, passages), len(passages))
        right = scores.pop(index)
        answers.append(KnownAnswer(query, right, max(scores)))
    wrong = [answer for answer in answers if answer.right <= answer.best_other]
    if wrong:
        found = "; ".join(f"{a.query!r}: right passage {a.right:.4f}, best other {a.best_other:.4f}" for a in wrong)
        raise UnusableRelease(
            f"The model does not put known passages first ({found}). It is no reranker, or is loaded in the wrong way"
        )
    return answers


def checked(scores: list[float], count: int) -> list[float]:
    """The scores if they are what a Reranker promises; ValueError otherwise."""
    if len(scores) != count:
        raise ValueError(f"the model gave {len(scores)} scores for {count} passages")
    for score in scores:
        if not (math.isfinite(score) and 0 <= score <= 1):
            raise ValueError(f"the model gave the score {score}, which is not in 0..1")
    return scores
