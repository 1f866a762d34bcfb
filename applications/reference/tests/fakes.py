"""A reranker without torch, and a server with it as a process of its own (`python -m tests.fakes`)."""

import json
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archon_server.ingestion.jobs import Job, Jobs
from archon_server.reranking import Runtime, hf_cache
from archon_server.reranking.baseline import KNOWN_PAIRS
from archon_server.settings import Model, Settings

MODEL = Model("words", "tests/words", "0" * 40)
OTHER = Model("other", "tests/other", "1" * 40)
THIRD = Model("third", "tests/third", "2" * 40)
KNOWN_QUESTIONS = {question for question, _ in KNOWN_PAIRS}
RUNTIME = Runtime(device="none", dtype="words", threads=1, cuda_available=False, memory_bytes=1000)


class WordReranker:
    """Scores a passage by the share of the question's words in it. Tests can make it fail or wait.

    It takes `seconds` for a search, but no time for the baseline check of each load.
    """

    runtime = RUNTIME

    def __init__(self) -> None:
        self.closed = False
        self.broken: BaseException | None = None
        self.seconds = 0.0
        self._may_score = threading.Event()
        self._may_score.set()
        self.scored: list[tuple[str, list[str]]] = []
        self.threads: set[str] = set()

    def opened(self) -> "WordReranker":
        """Loads it again and returns it."""
        self.closed = False
        return self

    def close(self) -> None:
        self.closed = True

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        assert not self.closed
        self.threads.add(threading.current_thread().name)
        self._may_score.wait(30)
        if query not in KNOWN_QUESTIONS:
            time.sleep(self.seconds)
        if self.broken:
            raise self.broken
        self.scored.append((query, list(passages)))
        return [share(query, passage) for passage in passages]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds all scoring back inside the `with` block."""
        self._may_score.clear()
        try:
            yield
        finally:
            self._may_score.set()


class FakeLoader:
    """Loads a new WordReranker for each model. Tests set which models fail or wait."""

    def __init__(self) -> None:
        self.loaded: dict[str, list[WordReranker]] = {}
        self.broken: dict[str, BaseException] = {}
        self._may_load: dict[str, threading.Event] = {}

    def load(self, model: Model) -> WordReranker:
        if gate := self._may_load.get(model.name):
            gate.wait(30)
        if problem := self.broken.get(model.name):
            raise problem
        reranker = WordReranker()
        self.loaded.setdefault(model.name, []).append(reranker)
        return reranker

    def open(self, name: str) -> list[WordReranker]:
        """The rerankers of a model that are loaded and not closed."""
        return [reranker for reranker in self.loaded.get(name, []) if not reranker.closed]

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Holds the loading of `name` back inside the `with` block."""
        self._may_load[name] = threading.Event()
        try:
            yield
        finally:
            self._may_load[name].set()


def share(query: str, passage: str) -> float:
    words = set(re.findall(r"\w+", query.lower()))
    return len(words & set(re.findall(r"\w+", passage.lower()))) / len(words)


def write_snapshot(hub_dir: Path, model: Model, weights: int = 1000) -> Path:
    """Writes a snapshot whose weights file has only a header, for `weights` float32 numbers."""
    folder = hf_cache.snapshot(hub_dir, model)
    folder.mkdir(parents=True, exist_ok=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [weights], "data_offsets": [0, 4 * weights]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (folder / "config.json").write_text('{"dtype": "float32"}')
    return folder


def hold(percent: int, filename: str) -> None:
    """Stops the upload of this name at `percent` until it is cancelled, so that its transaction stays open."""
    advance = Jobs.advance

    def held(self: Jobs, job: Job, status: str, progress: int, *message: str, **result: Any) -> None:
        advance(self, job, status, progress, *message, **result)
        if progress >= percent and job.about.get("fileName") == filename:
            job.cancelled.wait()

    Jobs.advance = held


def main() -> None:
    from archon_server.main import serve

    def load(_: Model) -> WordReranker:
        time.sleep(float(os.environ.get("FAKE_LOAD_SECONDS", "0")))
        if problem := os.environ.get("FAKE_LOAD_ERROR"):
            raise RuntimeError(problem)
        reranker = WordReranker()
        reranker.seconds = float(os.environ.get("FAKE_SCORE_SECONDS", "0"))
        return reranker

    if percent := os.environ.get("FAKE_HOLD_PERCENT"):
        hold(int(percent), "held.md")
    serve(Settings.from_environment(os.environ), load)


if __name__ == "__main__":
    main()
