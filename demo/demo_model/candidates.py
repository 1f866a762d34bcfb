"""What a question is asked of in training: passages that a search finds, and how well each should score."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy

from .bm25 import Index
from .corpus import Passage
from .examples import Example, ExampleMaker

# Of a list, beside the answer: passages that share words or meaning with the question, and any others.
BY_WORDS = 2
BY_MEANING = 2
OTHERS = 1
SIZE = 1 + BY_WORDS + BY_MEANING + OTHERS
NEAR = 40
"""How many of the best by words and by meaning are drawn from."""

# Meaning (cosine, about 0 to 0.8), words (share of the best BM25 score, 0 to 1), and being what the question is about.
WORDS = 0.5
ANSWER = 0.2

HEADED = 0.25
"""Share of the lists whose passages stand below their headings, as a search shows them."""

AT_ONCE = 256


Encode = Callable[[Sequence[str]], numpy.ndarray]
"""Vectors of texts, (texts, width); their product is the cosine."""


@dataclass(frozen=True)
class Candidates:
    """A question with passages, the answer first, and how well each answers, about 0 to 1.5."""

    question: str
    passages: tuple[str, ...]
    wanted: tuple[float, ...]


class Searcher:
    """Finds passages by words and by meaning; `vectors` are theirs, `encode` gives those of questions."""

    def __init__(self, passages: Sequence[Passage], vectors: numpy.ndarray, encode: Encode, rng: random.Random) -> None:
        self.passages = passages
        self.vectors = vectors
        self.encode = encode
        self.index = Index([passage.text for passage in passages])
        self.rng = rng

    def draw(self, maker: ExampleMaker) -> Iterator[Candidates]:
        """Lists for ever. Questions go through the teacher many at once."""
        while True:
            examples = [maker.draw() for _ in range(AT_ONCE)]
            vectors = self.encode([example.question for example in examples])
            for example, meaning in zip(examples, vectors @ self.vectors.T, strict=True):
                yield self.candidates(example, meaning)

    def candidates(self, example: Example, meaning: numpy.ndarray) -> Candidates:
        """The list of a question; `meaning` has its cosine with each passage."""
        words = self.index.scores(example.question)
        wanted = meaning + WORDS * words / max(words.max(), 1e-9)
        near = (*self._some(words, BY_WORDS, example.answer), *self._some(meaning, BY_MEANING, example.answer))
        numbers = [example.answer, *dict.fromkeys(near)]
        while len(numbers) < SIZE:
            other = self.rng.randrange(len(self.passages))
            if other not in numbers and self._differs(other, example.answer):
                numbers.append(other)
        answer, *others = (float(wanted[number]) for number in numbers)
        texts = [example.text, *(self.passages[number].text for number in numbers[1:])]
        if self.rng.random() < HEADED and self.passages[example.answer].heading not in example.question:
            texts = [f"{self.passages[number].heading}\n{text}" for number, text in zip(numbers, texts, strict=True)]
        return Candidates(example.question, tuple(texts), (answer + ANSWER, *others))

    def _some(self, scores: numpy.ndarray, count: int, answer: int) -> list[int]:
        """Of the NEAR best by `scores`, `count` that stand under another heading than the answer."""
        best = numpy.argpartition(-scores, NEAR)[:NEAR].tolist()
        fitting = [number for number in best if self._differs(number, answer)]
        return self.rng.sample(fitting, min(count, len(fitting)))

    def _differs(self, number: int, answer: int) -> bool:
        this, that = self.passages[number], self.passages[answer]
        return (this.document, this.heading) != (that.document, that.heading)
