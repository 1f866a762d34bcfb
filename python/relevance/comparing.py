"""Asks every question twice: retrieval alone, and reranked by a model, both as the server does it."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from archon_server.reranking import Reranker
from archon_server.search import MAX_CANDIDATES, judged_text
from archon_server.storage import Document, Passage, Storage
from archon_server.storage.sqlite import SqliteStorage

from .measures import Quality, quality
from .questions import Collection, Question

Ranking = tuple[list[bool], int]
"""Which places are relevant, best first, and how many passages are in all."""

MISLED = "retrieval misled"
"""The questions whose answer retrieval alone does not put first. Chosen by that failure, so reranking can only gain."""


@dataclass(frozen=True)
class Asked:
    """A question and the candidates that retrieval found, best first."""

    question: Question
    candidates: list[Passage]
    known: int

    def ranking(self, order: Sequence[int] | None = None) -> Ranking:
        passages = self.candidates if order is None else [self.candidates[index] for index in order]
        return [self.question.is_answered_by(passage.text) for passage in passages], self.known


def stored(collection: Collection, directory: Path) -> SqliteStorage:
    storage = SqliteStorage(directory / "relevance.db")
    for name, chunks in collection.documents.items():
        document = Document(name, name, "text/plain", "technical", (), 0, "2000-01-01T00:00:00+00:00")
        storage.add_document(document, chunks)
    return storage


def ask(collection: Collection, storage: Storage) -> list[Asked]:
    texts = [chunk.text for chunks in collection.documents.values() for chunk in chunks]
    return [
        Asked(question, storage.search(question.text, MAX_CANDIDATES), sum(map(question.is_answered_by, texts)))
        for question in collection.questions
    ]


def groups(asked: Sequence[Asked]) -> dict[str, list[int]]:
    """Indexes of the questions by group: all, each of the collection's, and those that mislead retrieval."""
    names = dict.fromkeys(each.question.group for each in asked)
    found = {"all": list(range(len(asked)))}
    if len(names) > 1:
        found |= {name: [n for n, each in enumerate(asked) if each.question.group == name] for name in names}
    misled = [n for n, each in enumerate(asked) if each.ranking()[0][:1] != [True]]
    return found | ({MISLED: misled} if misled else {})


def rerank(asked: Sequence[Asked], reranker: Reranker) -> tuple[list[Ranking], float]:
    """The rankings by the model's scores, equal ones as retrieval had them, and the seconds that a question took."""
    started = time.perf_counter()
    rankings = []
    for each in asked:
        texts = [judged_text(passage) for passage in each.candidates]
        scores = reranker.score(each.question.text, texts) if texts else []
        rankings.append(each.ranking(sorted(range(len(texts)), key=lambda index, scores=scores: -scores[index])))
    return rankings, (time.perf_counter() - started) / len(asked)


def rows(asked: Sequence[Asked], reranked: Sequence[Ranking] | None) -> list[dict[str, Any]]:
    """One row a group: its name, the quality of retrieval alone, and that of the reranked lists if there are any."""

    def of(rankings: Sequence[Ranking], numbers: Sequence[int]) -> Quality:
        return quality([rankings[number] for number in numbers])

    alone = [each.ranking() for each in asked]
    return [
        {
            "group": name,
            "questions": len(numbers),
            "retrieval": asdict(of(alone, numbers)),
            "reranked": asdict(of(reranked, numbers)) if reranked else None,
        }
        for name, numbers in groups(asked).items()
    ]
