"""BM25: the baseline for the demo model, and one of the signals that it is trained with."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

import numpy

from .queries import content_words, stem

# The usual parameters of BM25: term frequency saturation and length normalisation.
K1 = 1.2
B = 0.75


class Bm25:
    """Scores passages by the stems that they share with the question. Document frequencies come from `collection`."""

    def __init__(self, collection: Collection[str]) -> None:
        stem_counts = [stems(text) for text in collection]
        self.size = len(stem_counts)
        self.mean_length = sum(counts.total() for counts in stem_counts) / self.size
        self.document_frequency = Counter(word for counts in stem_counts for word in counts)

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        query = stems(question)
        return [self._score(query, stems(passage)) for passage in passages]

    def _score(self, query: Collection[str], counts: Counter[str]) -> float:
        return sum(self.term_score(word, counts) for word in query if word in counts)

    def term_score(self, word: str, counts: Counter[str]) -> float:
        """What `word` adds to the score of a passage with these stem counts; the passage must contain it."""
        relative_length = 1 - B + B * counts.total() / self.mean_length
        frequency = counts[word] * (K1 + 1) / (counts[word] + K1 * relative_length)
        return self._idf(word) * frequency

    def _idf(self, word: str) -> float:
        frequency = self.document_frequency[word]
        return math.log(1 + (self.size - frequency + 0.5) / (frequency + 0.5))


class Index:
    """An inverted index: the BM25 scores of a whole collection without a pass over every passage."""

    def __init__(self, collection: Collection[str]) -> None:
        self.size = len(collection)
        bm25 = Bm25(collection)
        postings: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, text in enumerate(collection):
            counts = stems(text)
            for word in counts:
                postings[word].append((number, bm25.term_score(word, counts)))
        self.postings = {
            word: (numpy.array([number for number, _ in entries]), numpy.array([score for _, score in entries]))
            for word, entries in postings.items()
        }

    def scores(self, question: str) -> numpy.ndarray:
        """Shape (passages,), in the order of the collection."""
        scores = numpy.zeros(self.size)
        for word in stems(question):
            if word in self.postings:
                numbers, term_scores = self.postings[word]
                scores[numbers] += term_scores
        return scores


def stems(text: str) -> Counter[str]:
    """How often the stem of each content word occurs."""
    return Counter(stem(word) for word in content_words(text))
