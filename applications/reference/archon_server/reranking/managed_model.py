"""One model of the release: whether it is loaded, since when, and why not."""

import asyncio
import gc
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from ..metrics import Metrics
from ..settings import Model
from . import LoadReranker, ModelError, Reranker, Runtime, UnusableModel, baseline, hf_cache, reason
from .package_check import BrokenEnvironment
from .worker import Worker

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 300.0

log = logging.getLogger(__name__)


class Status(StrEnum):
    NOT_CONFIGURED = "not configured"
    IDLE = "idle"
    """It is not loaded, and nothing is wrong with it."""
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    """It could not be loaded, or did not pass the baseline check."""
    DEGRADED = "degraded"
    """It worked, then failed, and is being recovered."""


@dataclass(frozen=True)
class State:
    """`load_seconds` include the import of the packages; `known_answers` are the last ones that were right."""

    status: Status
    error: str | None = None
    runtime: Runtime | None = None
    load_seconds: float | None = None
    known_answers: tuple[baseline.KnownAnswer, ...] = ()
    comparison: baseline.BaselineComparison | None = None


@dataclass(frozen=True)
class Workers:
    """One thread loads while another one scores."""

    loader: Worker
    scorer: Worker


ReserveMemory = Callable[["ManagedModel"], Awaitable[None]]
"""Frees memory for a model that is about to be loaded. Raises ModelError if there is not enough."""


class ManagedModel:
    """Loads, checks, retries and unloads one model. Called from the event loop's thread only."""

    def __init__(
        self,
        model: Model,
        load: LoadReranker,
        hub_dir: Path,
        workers: Workers,
        reserve_memory: ReserveMemory,
        metrics: Metrics,
    ) -> None:
        self.model = model
        self.state = State(Status.IDLE)
        self.reranker: Reranker | None = None
        self.estimated_bytes = 0
        """What its weights are estimated to take; 0 until the first attempt to load it."""
        self.used_at: float = 0.0
        """When it was last used, in monotonic seconds."""
        self.last_used: str | None = None
        self.lacks_packages = False
        """Whether the last attempt failed because the packages cannot be imported."""
        self._load = load
        self._hub_dir = hub_dir
        self._workers = workers
        self._reserve_memory = reserve_memory
        self._metrics = metrics
        self._loading: asyncio.Task[Reranker] | None = None
        self._last_fingerprint: hf_cache.Fingerprint = ()
        self._next_attempt = 0.0
        self._delay = FIRST_RETRY_SECONDS

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def loading(self) -> bool:
        return self._loading is not None

    @property
    def ready(self) -> Reranker | None:
        """The loaded model, if it may be used right now."""
        return self.reranker if self.state.status is Status.READY else None

    @property
    def memory_bytes(self) -> int:
        """What it takes now, or will take once it is loaded if that has begun."""
        if self.reranker:
            return self.reranker.runtime.memory_bytes
        return self.estimated_bytes if self.loading else 0

    def mark_used(self) -> None:
        self.used_at = time.monotonic()
        self.last_used = datetime.now(UTC).isoformat()

    async def ensure_ready(self, *, retry_now: bool = False) -> Reranker:
        """The model, loaded and checked. Several callers share one attempt.

        After a failure the next attempt waits for a delay that doubles, for a change of the model's files, or for
        `retry_now`. Raises ModelError with the reason of the last attempt.
        """
        if reranker := self.ready:
            return reranker
        if not self._loading:
            if not retry_now and self.state.status is Status.FAILED and not await self._retry_is_due():
                raise ModelError(self.state.error)
            # Another caller may have begun it in the meantime.
            self._loading = self._loading or self._start_loading()
        return await asyncio.shield(self._loading)

    def mark_degraded(self, reranker: Reranker, error: Exception) -> None:
        """Takes the model out of use because `reranker` raised `error`. The next `ensure_ready` checks it again."""
        log.error("%s failed to score: %s", self.name, reason(error), exc_info=error)
        if reranker is self.reranker:
            self.state = replace(self.state, status=Status.DEGRADED, error=reason(error))

    def unload(self) -> None:
        """Frees the memory as soon as the scoring that is already queued has finished."""
        if self.reranker:
            log.info("%s is unloaded", self.name)
            self._close()
            self.state = State(Status.IDLE)

    def cancel(self) -> None:
        if self._loading:
            self._loading.cancel()

    def _start_loading(self) -> "asyncio.Task[Reranker]":
        task = asyncio.create_task(self._make_ready())
        # The callers that waited for it may have given up; asyncio would warn that nobody retrieved the exception.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return task

    def _close(self) -> None:
        if self.reranker:
            # In the scoring thread, so that it comes after all that was queued there before.
            self._workers.scorer.submit(self.reranker.close)
            self.reranker = None

    async def _retry_is_due(self) -> bool:
        if time.monotonic() >= self._next_attempt:
            return True
        return self._last_fingerprint != await self._fingerprint()

    async def _fingerprint(self) -> hf_cache.Fingerprint:
        return await asyncio.to_thread(hf_cache.fingerprint, self._hub_dir, self.model)

    async def _make_ready(self) -> Reranker:
        try:
            self._last_fingerprint = await self._fingerprint()
            if self.reranker:
                return await self._check_again(self.reranker)
            await self._reserve_memory(self)
            started = time.perf_counter()
            reranker, answers, comparison = await self._workers.loader.run(self._load_and_check)
        except Exception as error:
            self._record_failure(error)
            raise ModelError(reason(error)) from error
        finally:
            self._loading = None
        seconds = time.perf_counter() - started
        self.reranker = reranker
        self.state = State(Status.READY, None, reranker.runtime, seconds, answers, comparison)
        self._delay = FIRST_RETRY_SECONDS
        self._metrics.model_load_seconds.set(seconds)
        log.info("%s is ready (loaded in %.1f s): %s", self.name, seconds, reranker.runtime)
        return reranker

    async def _check_again(self, reranker: Reranker) -> Reranker:
        """Puts a model that failed once back into use if it still passes the baseline check, and closes it if not."""
        try:
            answers = await self._workers.scorer.run(lambda: baseline.check_known_answers(reranker))
        except Exception as error:
            self._close()
            # A ModelError, not an UnusableModel: the files may be good and only their copy in memory damaged, so
            # loading them again is worth an attempt.
            raise ModelError(reason(error)) from error
        if reranker is not self.reranker:
            raise ModelError(f"{self.name} was unloaded while it was being checked")
        self.state = replace(self.state, status=Status.READY, error=None, known_answers=tuple(answers))
        log.info("%s passes the baseline check again", self.name)
        return reranker

    def _load_and_check(self) -> tuple[Reranker, tuple[baseline.KnownAnswer, ...], baseline.BaselineComparison]:
        try:
            reranker = self._load(self.model)
            try:
                answers = tuple(baseline.check_known_answers(reranker))
                return reranker, answers, self._compare_with_baseline(reranker, answers)
            except BaseException:
                reranker.close()
                raise
        except BaseException:
            # A half loaded model is held by reference cycles.
            gc.collect()
            raise

    def _compare_with_baseline(
        self, reranker: Reranker, answers: tuple[baseline.KnownAnswer, ...]
    ) -> baseline.BaselineComparison:
        """With the baseline of this snapshot, else with that of the snapshot that it was derived from."""
        path = hf_cache.baseline_path(self._hub_dir, self.model)
        if not path.exists() and hf_cache.is_present(self._hub_dir, self.model):
            origin = hf_cache.derived_from(self._hub_dir, self.model)
            path = hf_cache.baseline_path(self._hub_dir, origin) if origin else path
        return baseline.compare(path, reranker.runtime, answers)

    def _record_failure(self, error: Exception) -> None:
        wait_for_files = isinstance(error, UnusableModel)
        self.lacks_packages = isinstance(error, BrokenEnvironment)
        self._next_attempt = math.inf if wait_for_files else time.monotonic() + self._delay
        self._metrics.rerank_failures.labels("load").inc()
        self.state = State(Status.FAILED, reason(error))
        log.error("%s cannot be used: %s", self.name, reason(error), exc_info=error)
        log.info("next attempt %s", "when one of its files changes" if wait_for_files else f"in {self._delay:g} s")
        self._delay = min(2 * self._delay, LAST_RETRY_SECONDS)


def name_of(managed: ManagedModel | None) -> str | None:
    return managed.name if managed else None
