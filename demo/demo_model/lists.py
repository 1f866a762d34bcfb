"""Ranking lists for evaluation: a question and eight passages, of which the first answers it."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .corpus import Passage

HELD_OUT = Path(__file__).with_name("heldout.json")
LIST_LENGTH = 8
# Passages from the answer's own document are the hard negatives.
SAME_DOCUMENT_NEGATIVES = 2

Score = Callable[[str, Sequence[str]], Sequence[float]]
"""Scores the passages for a question: one number for each, higher is better."""


@dataclass(frozen=True)
class RankingList:
    """A question with its passages, the answer first."""

    question: str
    passages: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """The number of lists, how many of them rank the answer first, and the mean reciprocal rank of the answer."""

    lists: int
    first: int
    mean_reciprocal_rank: float

    @property
    def share_first(self) -> float:
        return self.first / self.lists

    def __str__(self) -> str:
        return (
            f"answer first in {self.first} of {self.lists} lists ({self.share_first:.1%}), "
            f"mean reciprocal rank {self.mean_reciprocal_rank:.3f}"
        )


def held_out(path: Path = HELD_OUT) -> list[RankingList]:
    """The held-out test set: hand-written questions about documents that are not in the training set."""
    data = json.loads(path.read_text(encoding="utf-8"))
    texts = data["passages"]
    return [
        RankingList(entry["question"], tuple(texts[name] for name in (entry["answer"], *entry["others"])))
        for entry in data["lists"]
    ]


def from_questions(passages: Sequence[Passage], rng: random.Random) -> list[RankingList]:
    """One list for each heading that is a question. The first passage below the heading is the answer."""
    by_document: defaultdict[str, list[Passage]] = defaultdict(list)
    for passage in passages:
        by_document[passage.document].append(passage)
    answers: dict[tuple[str, str], Passage] = {}
    for passage in passages:
        if passage.heading.endswith("?"):
            answers.setdefault((passage.document, passage.heading), passage)
    lists = []
    for answer in answers.values():
        same_document = [passage for passage in by_document[answer.document] if passage.heading != answer.heading]
        hard = rng.sample(same_document, min(SAME_DOCUMENT_NEGATIVES, len(same_document)))
        other_documents = [passage for passage in passages if passage.document != answer.document]
        easy = rng.sample(other_documents, LIST_LENGTH - 1 - len(hard))
        lists.append(RankingList(answer.heading, tuple(passage.text for passage in (answer, *hard, *easy))))
    return lists


def measure(lists: Iterable[RankingList], score: Score) -> Quality:
    """The quality of `score`, which returns one number for each passage. A tie counts against the answer."""
    ranks = []
    for entry in lists:
        answer, *others = score(entry.question, entry.passages)
        ranks.append(1 + sum(other >= answer for other in others))
    return Quality(len(ranks), ranks.count(1), sum(1 / rank for rank in ranks) / len(ranks))
