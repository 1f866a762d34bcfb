"""Questions made from passages, each with the passage that it was made from."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .corpus import Passage
from .queries import FRAMES, QueryMaker, content_words

GLOSS_SHARE = 0.15
NAMED_SHARE = 0.3
"""Of the questions about glosses those that name the word and do not describe it."""

# Of the questions about manuals. The rest are some of the passage's words.
HEADING_SHARE = 0.35
# A sentence that is then cut out of the passage: other words must do.
SENTENCE_SHARE = 0.25
LONGEST_QUESTION = 16
"""Words of a question that is a sentence."""

WITHIN = 70
"""Words from the passage's start that questions are about: models that read short passages can answer them."""


@dataclass(frozen=True)
class Example:
    """A question, the number of the passage that it was made from, and what is left of that passage's text."""

    question: str
    answer: int
    text: str


class ExampleMaker:
    """Draws questions about `manuals` and `glosses`, which are numbered in this order."""

    def __init__(
        self, manuals: Sequence[Passage], glosses: Sequence[Passage], maker: QueryMaker, rng: random.Random
    ) -> None:
        self.passages = [*manuals, *glosses]
        self.manuals = range(len(manuals))
        self.glosses = range(len(manuals), len(self.passages))
        self.maker = maker
        self.rng = rng
        # "Notes" or "Parameters", which stand in many documents, say nothing about what is below them.
        documents = Counter(heading for heading, _ in {(passage.heading, passage.document) for passage in manuals})
        self.telling = [
            number
            for number, passage in enumerate(manuals)
            if documents[passage.heading] <= 2 and content_words(passage.heading)
        ]

    def draw(self) -> Example:
        while True:
            question, answer, text = self._gloss() if self.rng.random() < GLOSS_SHARE else self._manual()
            if question:
                return Example(question, answer, text)

    def _gloss(self) -> tuple[str | None, int, str]:
        answer = self.rng.choice(self.glosses)
        passage = self.passages[answer]
        if self.rng.random() < NAMED_SHARE:
            return self.rng.choice(FRAMES).format(passage.heading), answer, passage.text
        return self.maker.from_passage(passage.text, self.rng), answer, passage.text

    def _manual(self) -> tuple[str | None, int, str]:
        draw = self.rng.random()
        if draw < HEADING_SHARE:
            answer = self.rng.choice(self.telling)
            passage = self.passages[answer]
            return self.maker.from_heading(passage.heading, self.rng), answer, passage.text
        answer = self.rng.choice(self.manuals)
        text = self.passages[answer].text
        sentences = re.split(r"(?<=[.!?]) ", text)
        if draw < HEADING_SHARE + SENTENCE_SHARE and len(sentences) >= 3:
            cut = sentences.pop(self.rng.randrange(3)).split()[:LONGEST_QUESTION]
            return self.maker.from_sentence(" ".join(cut), self.rng), answer, " ".join(sentences)
        return self.maker.from_passage(" ".join(text.split()[:WITHIN]), self.rng), answer, text
