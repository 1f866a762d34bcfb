"""Training lists: each has a question, the passage that answers it, hard and random negatives, and target scores."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy

from .bm25 import Index
from .corpus import Passage
from .examples import Example, ExampleMaker

# Negatives of a list: hard ones that share words or meaning with the question, and random ones.
LEXICAL_NEGATIVES = 2
SEMANTIC_NEGATIVES = 2
RANDOM_NEGATIVES = 1
LIST_SIZE = 1 + LEXICAL_NEGATIVES + SEMANTIC_NEGATIVES + RANDOM_NEGATIVES
HARD_NEGATIVE_POOL = 40
"""Hard negatives are drawn from this many of the best passages by each score."""

# A target is the teacher's cosine (about 0 to 0.8), plus a share of the BM25 score relative to the best one (0 to 1),
# plus a bonus for the passage that the question was made from.
LEXICAL_WEIGHT = 0.5
ANSWER_BONUS = 0.2

HEADING_SHARE = 0.25
"""Share of the lists whose passages are preceded by their headings, as they are in the server's searches."""

QUESTION_BATCH = 256
"""How many questions the teacher encodes at a time."""


Encode = Callable[[Sequence[str]], numpy.ndarray]
"""Encodes texts into unit vectors of shape (texts, width); the dot product of two is their cosine."""


@dataclass(frozen=True)
class CandidateList:
    """A question with its passages, the answer first, and a target score for each, about 0 to 1.5."""

    question: str
    passages: tuple[str, ...]
    targets: tuple[float, ...]


class CandidateSampler:
    """Samples training lists.

    Args:
        passages: all passages, numbered as in the `ExampleMaker` that `sample` gets.
        vectors: the teacher's vectors of the passages, shape (passages, width).
        encode: encodes questions with the teacher.
    """

    def __init__(self, passages: Sequence[Passage], vectors: numpy.ndarray, encode: Encode, rng: random.Random) -> None:
        self.passages = passages
        self.vectors = vectors
        self.encode = encode
        self.index = Index([passage.text for passage in passages])
        self.rng = rng

    def sample(self, maker: ExampleMaker) -> Iterator[CandidateList]:
        """Yields lists without end."""
        while True:
            examples = [maker.draw() for _ in range(QUESTION_BATCH)]
            vectors = self.encode([example.question for example in examples])
            for example, cosines in zip(examples, vectors @ self.vectors.T, strict=True):
                yield self.candidates(example, cosines)

    def candidates(self, example: Example, cosines: numpy.ndarray) -> CandidateList:
        """The list for a question. `cosines` has one value for each passage, shape (passages,)."""
        bm25 = self.index.scores(example.question)
        targets = cosines + LEXICAL_WEIGHT * bm25 / max(bm25.max(), 1e-9)
        hard = (
            *self._hard_negatives(bm25, LEXICAL_NEGATIVES, example.answer),
            *self._hard_negatives(cosines, SEMANTIC_NEGATIVES, example.answer),
        )
        numbers = [example.answer, *dict.fromkeys(hard)]
        while len(numbers) < LIST_SIZE:
            other = self.rng.randrange(len(self.passages))
            if other not in numbers and self._is_negative(other, example.answer):
                numbers.append(other)
        answer, *others = (float(targets[number]) for number in numbers)
        texts = [example.text, *(self.passages[number].text for number in numbers[1:])]
        if self.rng.random() < HEADING_SHARE and self.passages[example.answer].heading not in example.question:
            texts = [f"{self.passages[number].heading}\n{text}" for number, text in zip(numbers, texts, strict=True)]
        return CandidateList(example.question, tuple(texts), (answer + ANSWER_BONUS, *others))

    def _hard_negatives(self, scores: numpy.ndarray, count: int, answer: int) -> list[int]:
        """Up to `count` passages among the best by `scores`."""
        best = numpy.argpartition(-scores, HARD_NEGATIVE_POOL)[:HARD_NEGATIVE_POOL].tolist()
        negatives = [number for number in best if self._is_negative(number, answer)]
        return self.rng.sample(negatives, min(count, len(negatives)))

    def _is_negative(self, number: int, answer: int) -> bool:
        """A passage under the answer's own heading may answer the question too, so it is no negative."""
        this, that = self.passages[number], self.passages[answer]
        return (this.document, this.heading) != (that.document, that.heading)
