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
from archon_server.settings import Model, Settings

MODEL = Model("words", "tests/words", "0" * 40)
OTHER = Model("other", "tests/other", "1" * 40)
THIRD = Model("third", "tests/third", "2" * 40)
RUNTIME = Runtime(device="none", dtype="words", threads=1, cuda_available=False, memory_bytes=1000)


class WordReranker:
    """Scores a passage by the share of the question's words in it, until it is told to do something else."""

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
        """Itself, loaded (again)."""
        self.closed = False
        return self

    def close(self) -> None:
        self.closed = True

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        assert not self.closed
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


class FakeLoader:
    """Loads a fresh reranker for each model, by the instructions in its fields."""

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
        """Those of a model that take memory now."""
        return [reranker for reranker in self.loaded.get(name, []) if not reranker.closed]

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Lets no loading of `name` end meanwhile."""
        self._may_load[name] = threading.Event()
        try:
            yield
        finally:
            self._may_load[name].set()


def share(query: str, passage: str) -> float:
    words = set(re.findall(r"\w+", query.lower()))
    return len(words & set(re.findall(r"\w+", passage.lower()))) / len(words)


def write_snapshot(hub_dir: Path, model: Model, weights: int = 1000) -> Path:
    """A snapshot with the header of a weights file of so many float32 numbers, and nothing else."""
    folder = hf_cache.snapshot(hub_dir, model)
    folder.mkdir(parents=True, exist_ok=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [weights], "data_offsets": [0, 4 * weights]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (folder / "config.json").write_text('{"dtype": "float32"}')
    return folder


def hold(percent: int, filename: str) -> None:
    """Lets the upload of this name get no further than so far until it is cancelled: its transaction stays open."""
    advance = Jobs.advance

    def held(self: Jobs, operation: Job, status: str, progress: int, *message: str, **result: Any) -> None:
        advance(self, operation, status, progress, *message, **result)
        if progress >= percent and operation.about.get("fileName") == filename:
            operation.cancelled.wait()

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
