"""Training examples: a question made from a passage, the passage, and passages that do not answer it."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from .corpus import Passage
from .queries import FRAMES, QueryMaker, content_words

GLOSS_SHARE = 0.2
# Of the examples from manuals.
HEADING_SHARE = 0.35
# Examples whose question comes from a sentence that is then cut out of the passage: other words must do.
CUT_SHARE = 0.2
# Of the wrong passages: from the answer's own document; with a word of the question.
NEIGHBOUR_SHARE = 0.5
SAME_WORD_SHARE = 0.1


@dataclass(frozen=True)
class Example:
    """A question with its passages, the answer first."""

    question: str
    passages: tuple[str, ...]


class ExampleMaker:
    """Draws examples of `size` passages from manuals and glosses."""

    def __init__(
        self, manuals: Sequence[Passage], glosses: Sequence[Passage], maker: QueryMaker, size: int, rng: random.Random
    ) -> None:
        self.manuals = manuals
        self.glosses = glosses
        self.maker = maker
        self.size = size
        self.rng = rng
        self.by_document: defaultdict[str, list[Passage]] = defaultdict(list)
        self.by_word: defaultdict[str, list[Passage]] = defaultdict(list)
        for passage in manuals:
            self.by_document[passage.document].append(passage)
            for word in dict.fromkeys(content_words(passage.text)):
                self.by_word[word].append(passage)
        # "Notes" or "Parameters", which stand in many documents, say nothing about what is below them.
        documents = Counter(heading for heading, _ in {(passage.heading, passage.document) for passage in manuals})
        self.telling = [
            passage for passage in manuals if documents[passage.heading] <= 2 and content_words(passage.heading)
        ]

    def draw(self, words: int) -> Example:
        """An example whose question can be answered from the first `words` words of its passage."""
        while True:
            found = self._gloss() if self.rng.random() < GLOSS_SHARE else self._manual(words)
            if found:
                question, answer, text = found
                return Example(question, (text, *(other.text for other in self._others(question, answer))))

    def _gloss(self) -> tuple[str, Passage, str] | None:
        answer = self.rng.choice(self.glosses)
        if self.rng.random() < 0.3:
            return self.rng.choice(FRAMES).format(answer.heading), answer, answer.text
        question = self.maker.from_passage(answer.text, self.rng)
        return (question, answer, answer.text) if question else None

    def _manual(self, words: int) -> tuple[str, Passage, str] | None:
        by_heading = self.rng.random() < HEADING_SHARE
        answer = self.rng.choice(self.telling if by_heading else self.manuals)
        sentences = re.split(r"(?<=[.!?]) ", answer.text)
        if len(sentences) >= 3 and self.rng.random() < CUT_SHARE:
            cut = sentences.pop(self.rng.randrange(len(sentences)))
            question, text = self.maker.from_passage(cut, self.rng), " ".join(sentences)
        elif by_heading:
            question, text = self.maker.from_heading(answer.heading, self.rng), answer.text
        else:
            start = " ".join(answer.text.split()[:words])
            question, text = self.maker.from_passage(start, self.rng), answer.text
        return (question, answer, text) if question else None

    def _others(self, question: str, answer: Passage) -> list[Passage]:
        words = [word for word in content_words(question) if word in self.by_word]
        neighbours = [other for other in self.by_document[answer.document] if other.heading != answer.heading]
        elsewhere = self.manuals if answer.document in self.by_document else self.glosses
        others: list[Passage] = []
        while len(others) < self.size - 1:
            draw = self.rng.random()
            if draw < NEIGHBOUR_SHARE and neighbours:
                other = self.rng.choice(neighbours)
            elif draw < NEIGHBOUR_SHARE + SAME_WORD_SHARE and words:
                other = self.rng.choice(self.by_word[self.rng.choice(words)])
            else:
                other = self.rng.choice(elsewhere)
            if (other.document, other.heading) != (answer.document, answer.heading):
                others.append(other)
        return others
