"""Scores passages for searches: one thread for all models, a bounded queue, and a time limit for each search."""

import asyncio
import math
import threading
import time
from collections.abc import Sequence

from ..errors import Busy
from ..metrics import Metrics
from . import Reranker, baseline
from .worker import Worker

QUEUE_LIMIT = 16
"""Searches that may wait for a model or use it at a time."""

BATCH_SIZE = 8
"""Pairs scored at a time. More are not faster on a CPU and need memory; a search that gave up ends after its batch."""


class TookTooLong(Exception):
    """The time limit of the search ended before all its pairs were scored."""


class Scorer:
    def __init__(self, metrics: Metrics) -> None:
        self.worker = Worker("reranker")
        self._metrics = metrics
        self._waiting = 0
        self._seconds_per_search = 1.0

    async def score(self, reranker: Reranker, query: str, passages: Sequence[str], seconds: float) -> list[float]:
        """One score in 0..1 for each passage.

        Raises Busy if too many searches wait, TookTooLong after `seconds`, or what the model raised.
        """
        if self._waiting >= QUEUE_LIMIT:
            wait = max(1, math.ceil(self._waiting * self._seconds_per_search))
            raise Busy(f"{self._waiting} searches are already waiting for the reranker; try again in {wait} s", wait)
        given_up = threading.Event()

        def work() -> tuple[list[float], float]:
            started = time.perf_counter()
            return _in_batches(reranker, query, passages, given_up), time.perf_counter() - started

        self._waiting += 1
        try:
            with self._metrics.rerank_seconds.time():
                scores, taken = await asyncio.wait_for(self.worker.run(work), seconds)
        except TimeoutError:
            raise TookTooLong from None
        finally:
            given_up.set()
            self._waiting -= 1
        self._seconds_per_search = (4 * self._seconds_per_search + taken) / 5
        self._metrics.pairs_scored.inc(len(passages))
        return scores


def _in_batches(reranker: Reranker, query: str, passages: Sequence[str], given_up: threading.Event) -> list[float]:
    """Passages of similar length share a batch, because each batch is padded to its longest passage."""
    by_length = sorted(range(len(passages)), key=lambda index: -len(passages[index]))
    scores = [0.0] * len(passages)
    for start in range(0, len(by_length), BATCH_SIZE):
        if given_up.is_set():
            raise TookTooLong
        batch = by_length[start : start + BATCH_SIZE]
        found = baseline.validate_scores(reranker.score(query, [passages[index] for index in batch]), len(batch))
        for index, score in zip(batch, found, strict=True):
            scores[index] = score
    return scores
