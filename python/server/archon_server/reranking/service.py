"""Keeps one reranker loaded and proven, and lets requests use it without ever blocking the event loop."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TypeVar

from ..errors import Busy
from ..metrics import Metrics
from ..settings import Model
from . import LoadReranker, ModelError, Reranker, Runtime, UnusableRelease, canary

QUEUE_LIMIT = 16
"""Searches that may be waiting for the model or using it."""

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 300.0

_T = TypeVar("_T")
log = logging.getLogger(__name__)


class RerankingUnavailable(Exception):
    """No scores can be had at the moment; the message says why."""


class Status(StrEnum):
    NOT_CONFIGURED = "not configured"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    """It never worked in this process."""
    DEGRADED = "degraded"
    """It worked and broke; it is being brought back."""


@dataclass(frozen=True)
class State:
    """`load_seconds` include the import of the environment; `known_answers` are the last ones that were right."""

    status: Status
    error: str | None = None
    runtime: Runtime | None = None
    load_seconds: float | None = None
    known_answers: tuple[canary.KnownAnswer, ...] = ()


class RerankingService:
    """The model `model`, or none. One thread does all loading and scoring: never are two models in memory."""

    def __init__(
        self, model: Model | None, load: LoadReranker, metrics: Metrics, first_retry: float = FIRST_RETRY_SECONDS
    ) -> None:
        self.model = model
        self.state = State(Status.LOADING if model else Status.NOT_CONFIGURED)
        self._load = load
        self._metrics = metrics
        self._first_retry = first_retry
        self._worker = ThreadPoolExecutor(1, "reranker")
        self._waiting = 0
        self._seconds_per_search = 1.0
        self._reranker: Reranker | None = None
        self._suspect = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        metrics.reranker_ready.set_function(lambda: self.state.status is Status.READY)

    @property
    def proven(self) -> bool:
        """True once the model has given the known answers, and from then on; also if there is no model to prove."""
        return self.state.status in (Status.NOT_CONFIGURED, Status.READY, Status.DEGRADED)

    def start(self) -> None:
        """Loads in the background; returns at once."""
        if self.model:
            self._keeper = asyncio.create_task(self._keep_ready(self.model))

    def stop(self) -> None:
        """Abandons whatever the worker is still doing."""
        if self._keeper:
            self._keeper.cancel()
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        """One score in 0..1 for each passage. Raises RerankingUnavailable, or Busy if too many searches wait."""
        reranker = self._reranker
        if reranker is None or self.state.status is not Status.READY:
            raise RerankingUnavailable(self.state.error or f"Reranking is {self.state.status}")
        if self._waiting >= QUEUE_LIMIT:
            wait = max(1, math.ceil(self._waiting * self._seconds_per_search))
            raise Busy(f"{self._waiting} searches are already waiting for the reranker; try again in {wait} s", wait)

        def score() -> tuple[list[float], float]:
            started = time.perf_counter()
            return canary.checked(reranker.score(query, passages), len(passages)), time.perf_counter() - started

        self._waiting += 1
        try:
            with self._metrics.rerank_seconds.time():
                scores, seconds = await self._in_worker(score)
        except Exception as error:
            self._metrics.rerank_failures.labels("score").inc()
            self._suspect_of(reranker, error)
            raise RerankingUnavailable(_reason(error)) from error
        finally:
            self._waiting -= 1
        self._seconds_per_search = (4 * self._seconds_per_search + seconds) / 5
        self._metrics.pairs_scored.inc(len(passages))
        return scores

    def _suspect_of(self, reranker: Reranker, error: Exception) -> None:
        log.error("scoring failed: %s", _reason(error), exc_info=error)
        if reranker is self._reranker:
            self.state = replace(self.state, status=Status.DEGRADED, error=_reason(error))
            self._suspect.set()

    async def _keep_ready(self, model: Model) -> None:
        """Proves the model at the start and after every failure; loads it if there is none or it fails the proof."""
        delay = self._first_retry
        while True:
            self._suspect.clear()
            known = self._reranker
            try:
                proof = await self._in_worker(partial(_prove, model, known, self._load))
            except Exception as error:
                self._reranker = None
                self._metrics.rerank_failures.labels("load").inc()
                self.state = State(Status.DEGRADED if self.proven else Status.FAILED, _reason(error))
                log.error("%s cannot be used: %s", model.name, _reason(error), exc_info=error)
                if isinstance(error, UnusableRelease) and not known:
                    return
                log.info("next attempt in %g s", delay)
                await asyncio.sleep(delay)
                delay = min(2 * delay, LAST_RETRY_SECONDS)
            else:
                delay = self._first_retry
                self._reranker = proof.reranker
                load_seconds = proof.load_seconds if proof.load_seconds is not None else self.state.load_seconds
                self.state = State(Status.READY, None, proof.reranker.runtime, load_seconds, tuple(proof.answers))
                self._metrics.model_load_seconds.set(load_seconds or 0)
                log.info("%s is ready (loaded in %.1f s): %s", model.name, load_seconds, proof.reranker.runtime)
                await self._suspect.wait()

    async def _in_worker(self, work: Callable[[], _T]) -> _T:
        def guarded() -> _T:
            try:
                return work()
            except Exception:
                raise
            except BaseException as error:
                # A panic of the Rust libraries, as from a damaged tokenizer file, is no Exception: it would end the
                # task that awaits it.
                raise RuntimeError(_reason(error)) from error

        return await asyncio.get_running_loop().run_in_executor(self._worker, guarded)


@dataclass(frozen=True)
class _Proof:
    reranker: Reranker
    answers: list[canary.KnownAnswer]
    load_seconds: float | None
    """None if the model was loaded before."""


def _prove(model: Model, reranker: Reranker | None, load: LoadReranker) -> _Proof:
    if reranker:
        return _Proof(reranker, canary.check(reranker), None)
    started = time.perf_counter()
    reranker = load(model)
    answers = canary.check(reranker)
    return _Proof(reranker, answers, time.perf_counter() - started)


def _reason(error: BaseException) -> str:
    if isinstance(error, ModelError):
        return str(error)
    return f"{type(error).__name__}: {error}"
