"""Searches for every question as the server does, and ranks the candidates in each of the server's orders."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from archon_server.reranking import Reranker
from archon_server.search import ranking
from archon_server.search.service import MAX_CANDIDATES, text_to_score
from archon_server.storage import Document, Storage, StoredPassage
from archon_server.storage.sqlite import SqliteStorage

from .metrics import mean_quality
from .questions import Collection, Question

Ranking = tuple[list[bool], int]
"""Whether each ranked passage is relevant, best first, and the number of relevant passages in the collection."""

MISLED = "retrieval misled"
"""The group of questions whose answer retrieval does not rank first. It is selected by that failure, so that reranking
cannot make its first rank worse."""


@dataclass(frozen=True)
class RetrievedQuestion:
    """A question and the candidates that retrieval found, best first."""

    question: Question
    candidates: list[StoredPassage]
    relevant_total: int
    """How many passages of the collection answer the question."""

    def ranking(self, order: Sequence[int] | None = None) -> Ranking:
        """The candidates in `order`, which has indexes of `candidates`; by default in the order of retrieval."""
        passages = self.candidates if order is None else [self.candidates[index] for index in order]
        return [self.question.is_answered_by(passage.text) for passage in passages], self.relevant_total


def index(collection: Collection, directory: Path) -> SqliteStorage:
    """A database in `directory` with the passages of the collection."""
    storage = SqliteStorage(directory / "relevance.db")
    for name, passages in collection.documents.items():
        document = Document(name, name, "text/plain", "technical", (), 0, "2000-01-01T00:00:00+00:00")
        storage.add_document(document, passages)
    return storage


def retrieve(collection: Collection, storage: Storage) -> list[RetrievedQuestion]:
    """The candidates for each question of the collection."""
    texts = [passage.text for passages in collection.documents.values() for passage in passages]
    return [
        RetrievedQuestion(
            question, storage.search(question.text, MAX_CANDIDATES), sum(map(question.is_answered_by, texts))
        )
        for question in collection.questions
    ]


def groups(retrieved: Sequence[RetrievedQuestion]) -> dict[str, list[int]]:
    """Indexes of the questions by group: all questions, each group of the collection, and MISLED."""
    names = dict.fromkeys(each.question.group for each in retrieved)
    indexes = {"all": list(range(len(retrieved)))}
    if len(names) > 1:
        indexes |= {name: [n for n, each in enumerate(retrieved) if each.question.group == name] for name in names}
    misled = [n for n, each in enumerate(retrieved) if each.ranking()[0][:1] != [True]]
    return indexes | ({MISLED: misled} if misled else {})


ORDERS: dict[str, Callable[[Sequence[float]], list[int]]] = {
    "reranked": ranking.by_scores,
    "fused": ranking.fused_with_retrieval,
}
"""The server's orders: by the model's scores, and fused with retrieval's order (FUSE_RERANKING)."""


def rerank(retrieved: Sequence[RetrievedQuestion], reranker: Reranker) -> tuple[dict[str, list[Ranking]], float]:
    """The rankings of all questions in each of ORDERS, and the mean seconds per question."""
    started = time.perf_counter()
    rankings: dict[str, list[Ranking]] = {name: [] for name in ORDERS}
    for each in retrieved:
        texts = [text_to_score(passage) for passage in each.candidates]
        scores = reranker.score(each.question.text, texts) if texts else []
        for name, order in ORDERS.items():
            rankings[name].append(each.ranking(order(scores)))
    return rankings, (time.perf_counter() - started) / len(retrieved)


def rows(retrieved: Sequence[RetrievedQuestion], reranked: dict[str, list[Ranking]]) -> list[dict[str, Any]]:
    """One row for each group: its name, its size, and the quality of retrieval and of every order in `reranked`."""
    rankings = {"retrieval": [each.ranking() for each in retrieved], **reranked}
    return [
        {
            "group": group,
            "questions": len(numbers),
            **{name: asdict(mean_quality([ranked[number] for number in numbers])) for name, ranked in rankings.items()},
        }
        for group, numbers in groups(retrieved).items()
    ]
