"""BM25, the word count that every search engine starts with: what the demo model is compared with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence

from .queries import content_words, stem

# The usual values: how soon more of the same word stops counting, and how much a long passage loses.
SATURATION = 1.2
LENGTH_SHARE = 0.75


class Bm25:
    """Scores passages by the stems they share with the question; rare stems of `collection` weigh more."""

    def __init__(self, collection: Collection[str]) -> None:
        counted = [stems(text) for text in collection]
        self.size = len(counted)
        self.mean_length = sum(found.total() for found in counted) / self.size
        self.passages_with = Counter(word for found in counted for word in found)

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        wanted = stems(question)
        return [self._score(wanted, stems(passage)) for passage in passages]

    def _score(self, wanted: Collection[str], found: Counter[str]) -> float:
        relative_length = 1 - LENGTH_SHARE + LENGTH_SHARE * found.total() / self.mean_length
        return sum(
            self._weight(word) * found[word] * (SATURATION + 1) / (found[word] + SATURATION * relative_length)
            for word in wanted
            if word in found
        )

    def _weight(self, word: str) -> float:
        have = self.passages_with[word]
        return math.log(1 + (self.size - have + 0.5) / (have + 0.5))


def stems(text: str) -> Counter[str]:
    """How often each stem of a content word occurs."""
    return Counter(stem(word) for word in content_words(text))
