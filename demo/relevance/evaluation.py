"""Asks every question as the server does it: retrieval alone, reranked by a model, and with both orders fused."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from archon_server import ordering
from archon_server.reranking import Reranker
from archon_server.search import MAX_CANDIDATES, judged_text
from archon_server.storage import Document, Passage, Storage
from archon_server.storage.sqlite import SqliteStorage

from .metrics import quality
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


ORDERS: dict[str, Callable[[Sequence[float]], list[int]]] = {"reranked": ordering.by_scores, "fused": ordering.fused}
"""The server's orders: by the model's scores, and with FUSE_RERANKING."""


def rerank(asked: Sequence[Asked], reranker: Reranker) -> tuple[dict[str, list[Ranking]], float]:
    """The rankings in each of ORDERS, and the seconds that a question took."""
    started = time.perf_counter()
    rankings: dict[str, list[Ranking]] = {name: [] for name in ORDERS}
    for each in asked:
        texts = [judged_text(passage) for passage in each.candidates]
        scores = reranker.score(each.question.text, texts) if texts else []
        for name, order in ORDERS.items():
            rankings[name].append(each.ranking(order(scores)))
    return rankings, (time.perf_counter() - started) / len(asked)


def rows(asked: Sequence[Asked], reranked: dict[str, list[Ranking]]) -> list[dict[str, Any]]:
    """One row a group: its name, the quality of retrieval alone, and of what there is of ORDERS."""
    rankings = {"retrieval": [each.ranking() for each in asked], **reranked}
    return [
        {
            "group": group,
            "questions": len(numbers),
            **{name: asdict(quality([found[number] for number in numbers])) for name, found in rankings.items()},
        }
        for group, numbers in groups(asked).items()
    ]
