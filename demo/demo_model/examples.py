"""Training questions, each with the passage that it was generated from."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .corpus import Passage
from .queries import TEMPLATES, QueryMaker, content_words

GLOSS_SHARE = 0.15
"""Share of the questions that are about glosses."""

HEADWORD_SHARE = 0.3
"""Of the questions about glosses, the share that names the word; the others describe it."""

# Of the questions about manuals, the shares made from a heading and from a sentence. The others use loose words.
HEADING_SHARE = 0.35
# The sentence is removed from the passage, so that the model has to match the rest of the passage.
SENTENCE_SHARE = 0.25
MAX_SENTENCE_WORDS = 16
"""How many words of a sentence a question uses."""

MAX_PASSAGE_WORDS = 70
"""Questions use only this many words from the start of a passage: in training, passages are cut off early."""


@dataclass(frozen=True)
class Example:
    """A question, the number of its passage, and that passage's text without the sentence that became the question."""

    question: str
    answer: int
    text: str


class ExampleMaker:
    """Draws questions about passages. They are numbered: first all of `manuals`, then all of `glosses`."""

    def __init__(
        self, manuals: Sequence[Passage], glosses: Sequence[Passage], maker: QueryMaker, rng: random.Random
    ) -> None:
        self.passages = [*manuals, *glosses]
        self.manuals = range(len(manuals))
        self.glosses = range(len(manuals), len(self.passages))
        self.maker = maker
        self.rng = rng
        # A heading such as "Notes" or "Parameters", which many documents use, says nothing about the text below it.
        documents = Counter(heading for heading, _ in {(passage.heading, passage.document) for passage in manuals})
        self.with_specific_heading = [
            number
            for number, passage in enumerate(manuals)
            if documents[passage.heading] <= 2 and content_words(passage.heading)
        ]

    def draw(self) -> Example:
        """A random question about a random passage."""
        while True:
            question, answer, text = self._gloss() if self.rng.random() < GLOSS_SHARE else self._manual()
            if question:
                return Example(question, answer, text)

    def _gloss(self) -> tuple[str | None, int, str]:
        answer = self.rng.choice(self.glosses)
        passage = self.passages[answer]
        if self.rng.random() < HEADWORD_SHARE:
            return self.rng.choice(TEMPLATES).format(passage.heading), answer, passage.text
        return self.maker.from_passage(passage.text, self.rng), answer, passage.text

    def _manual(self) -> tuple[str | None, int, str]:
        draw = self.rng.random()
        if draw < HEADING_SHARE:
            answer = self.rng.choice(self.with_specific_heading)
            passage = self.passages[answer]
            return self.maker.from_heading(passage.heading, self.rng), answer, passage.text
        answer = self.rng.choice(self.manuals)
        text = self.passages[answer].text
        sentences = re.split(r"(?<=[.!?]) ", text)
        if draw < HEADING_SHARE + SENTENCE_SHARE and len(sentences) >= 3:
            cut = sentences.pop(self.rng.randrange(3)).split()[:MAX_SENTENCE_WORDS]
            return self.maker.from_sentence(" ".join(cut), self.rng), answer, " ".join(sentences)
        return self.maker.from_passage(" ".join(text.split()[:MAX_PASSAGE_WORDS]), self.rng), answer, text
