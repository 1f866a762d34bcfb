"""A reranker without torch, and a server with it as a process of its own (`python -m tests.fakes`)."""

import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from archon_server.reranking import Runtime
from archon_server.settings import Model, Settings

MODEL = Model("words", "tests/words", "0" * 40)
RUNTIME = Runtime(device="none", dtype="words", threads=1, cuda_available=False)


class WordReranker:
    """Scores a passage by the share of the question's words in it, until it is told to do something else."""

    runtime = RUNTIME

    def __init__(self) -> None:
        self.broken: BaseException | None = None
        self.seconds = 0.0
        self._may_score = threading.Event()
        self._may_score.set()
        self.scored: list[tuple[str, list[str]]] = []
        self.threads: set[str] = set()

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        self.threads.add(threading.current_thread().name)
        self._may_score.wait(30)
        time.sleep(self.seconds)
        if self.broken:
            raise self.broken
        self.scored.append((query, list(passages)))
        return [share(query, passage) for passage in passages]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lets no scoring end meanwhile."""
        self._may_score.clear()
        try:
            yield
        finally:
            self._may_score.set()


def share(query: str, passage: str) -> float:
    words = set(re.findall(r"\w+", query.lower()))
    return len(words & set(re.findall(r"\w+", passage.lower()))) / len(words)


def main() -> None:
    from archon_server.serving import serve

    reranker = WordReranker()
    reranker.seconds = float(os.environ.get("FAKE_SCORE_SECONDS", "0"))

    def load(_: Model) -> WordReranker:
        time.sleep(float(os.environ.get("FAKE_LOAD_SECONDS", "0")))
        if problem := os.environ.get("FAKE_LOAD_ERROR"):
            raise RuntimeError(problem)
        return reranker

    serve(Settings.from_environment(os.environ), load)


if __name__ == "__main__":
    main()
