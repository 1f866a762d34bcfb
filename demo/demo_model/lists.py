"""Lists to rank: a question and eight passages, of which the first answers it."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .corpus import Passage

HELD_OUT = Path(__file__).with_name("heldout.json")
LENGTH = 8
# Passages of the answer's own document are the hard ones.
FROM_SAME_DOCUMENT = 2

Score = Callable[[str, Sequence[str]], Sequence[float]]


@dataclass(frozen=True)
class RankingList:
    """A question with its passages, the answer first."""

    question: str
    passages: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """How many of `lists` have the answer first; the mean of 1 / (rank of the answer)."""

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
    """The hand-written questions, whose passages come from documents that are never trained on."""
    data = json.loads(path.read_text(encoding="utf-8"))
    texts = data["passages"]
    return [
        RankingList(entry["question"], tuple(texts[name] for name in (entry["answer"], *entry["others"])))
        for entry in data["lists"]
    ]


def from_questions(passages: Sequence[Passage], rng: random.Random) -> list[RankingList]:
    """A list for each heading that is a question, answered by the first passage below it."""
    by_document: defaultdict[str, list[Passage]] = defaultdict(list)
    for passage in passages:
        by_document[passage.document].append(passage)
    answers: dict[tuple[str, str], Passage] = {}
    for passage in passages:
        if passage.heading.endswith("?"):
            answers.setdefault((passage.document, passage.heading), passage)
    lists = []
    for answer in answers.values():
        same = [passage for passage in by_document[answer.document] if passage.heading != answer.heading]
        near = rng.sample(same, min(FROM_SAME_DOCUMENT, len(same)))
        elsewhere = [passage for passage in passages if passage.document != answer.document]
        far = rng.sample(elsewhere, LENGTH - 1 - len(near))
        lists.append(RankingList(answer.heading, tuple(passage.text for passage in (answer, *near, *far))))
    return lists


def measure(lists: Iterable[RankingList], score: Score) -> Quality:
    """The quality of `score`, which gives one number for each passage; a passage level with the answer is above it."""
    ranks = []
    for entry in lists:
        answer, *others = score(entry.question, entry.passages)
        ranks.append(1 + sum(other >= answer for other in others))
    return Quality(len(ranks), ranks.count(1), sum(1 / rank for rank in ranks) / len(ranks))
