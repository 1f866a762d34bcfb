"""BM25, the word count that every search engine starts with: what the demo model is compared with, and learns from."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

import numpy

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
        return sum(self.gain(word, found) for word in wanted if word in found)

    def gain(self, word: str, found: Counter[str]) -> float:
        """What the stem, which occurs in a passage of these stems, adds to the passage's score."""
        relative_length = 1 - LENGTH_SHARE + LENGTH_SHARE * found.total() / self.mean_length
        frequency = found[word] * (SATURATION + 1) / (found[word] + SATURATION * relative_length)
        return self._weight(word) * frequency

    def _weight(self, word: str) -> float:
        have = self.passages_with[word]
        return math.log(1 + (self.size - have + 0.5) / (have + 0.5))


class Index:
    """The BM25 scores of all passages of a collection, without looking at each of them."""

    def __init__(self, collection: Collection[str]) -> None:
        self.size = len(collection)
        bm25 = Bm25(collection)
        gains: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, text in enumerate(collection):
            found = stems(text)
            for word in found:
                gains[word].append((number, bm25.gain(word, found)))
        self.gains = {
            word: (numpy.array([number for number, _ in entries]), numpy.array([gain for _, gain in entries]))
            for word, entries in gains.items()
        }

    def scores(self, question: str) -> numpy.ndarray:
        """(passages,), in the order of the collection."""
        found = numpy.zeros(self.size)
        for word in stems(question):
            if word in self.gains:
                numbers, gains = self.gains[word]
                found[numbers] += gains
        return found


def stems(text: str) -> Counter[str]:
    """How often each stem of a content word occurs."""
    return Counter(stem(word) for word in content_words(text))
