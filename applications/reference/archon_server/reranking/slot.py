"""One model of the release: loaded or not, since when, and why not."""

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
from . import LoadReranker, ModelError, Reranker, Runtime, UnusableRelease, canary, hub, reason, recorded
from .environment import BrokenEnvironment
from .worker import Worker

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 300.0

log = logging.getLogger(__name__)


class Status(StrEnum):
    NOT_CONFIGURED = "not configured"
    IDLE = "idle"
    """Not loaded, and nothing is wrong with it."""
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    """It could not be loaded or did not give the known answers."""
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
    proof: recorded.Comparison | None = None


@dataclass(frozen=True)
class Workers:
    """Loading goes on beside scoring; each has a thread."""

    loader: Worker
    scorer: Worker


Admit = Callable[["Slot"], Awaitable[None]]
"""Makes room for a model that is to be loaded. Raises ModelError if there is none."""


class Slot:
    def __init__(
        self, model: Model, load: LoadReranker, hub_dir: Path, workers: Workers, admit: Admit, metrics: Metrics
    ) -> None:
        self.model = model
        self.state = State(Status.IDLE)
        self.reranker: Reranker | None = None
        self.estimate = 0
        """Bytes that its weights are thought to take; known once it has been asked to load."""
        self.used: float = 0.0
        """When it was last used, in monotonic seconds."""
        self.last_used: str | None = None
        self.lacks_environment = False
        """Whether the last attempt failed because the packages cannot be imported."""
        self._load = load
        self._hub_dir = hub_dir
        self._workers = workers
        self._admit = admit
        self._metrics = metrics
        self._loading: asyncio.Task[Reranker] | None = None
        self._tried: hub.Fingerprint = ()
        self._next_attempt = 0.0
        self._delay = FIRST_RETRY_SECONDS

    @property
    def loading(self) -> bool:
        return self._loading is not None

    @property
    def ready(self) -> Reranker | None:
        """The model if it may be used right now."""
        return self.reranker if self.state.status is Status.READY else None

    @property
    def memory_bytes(self) -> int:
        """What it takes now, or is about to."""
        if self.reranker:
            return self.reranker.runtime.memory_bytes
        return self.estimate if self.loading else 0

    def touch(self) -> None:
        self.used = time.monotonic()
        self.last_used = datetime.now(UTC).isoformat()

    async def ensure(self, *, again: bool = False) -> Reranker:
        """The model, loaded and proven. Several callers share one attempt.

        After a failure there is none until some time has passed, which doubles, or a file has changed, or `again`.
        Raises ModelError with the reason of the last attempt.
        """
        if reranker := self.ready:
            return reranker
        if not self._loading:
            if not again and self.state.status is Status.FAILED and not await self._due():
                raise ModelError(self.state.error)
            # Another caller may have begun it meanwhile.
            self._loading = self._loading or self._begin()
        return await asyncio.shield(self._loading)

    def suspect(self, reranker: Reranker, error: Exception) -> None:
        """Takes the model out of use because `reranker` raised `error`; the next `ensure` proves it anew."""
        log.error("%s failed to score: %s", self.model.name, reason(error), exc_info=error)
        if reranker is self.reranker:
            self.state = replace(self.state, status=Status.DEGRADED, error=reason(error))

    def unload(self) -> None:
        """Gives the memory back as soon as what is already being scored with it is done."""
        if self.reranker:
            log.info("%s is unloaded", self.model.name)
            self._drop()
            self.state = State(Status.IDLE)

    def cancel(self) -> None:
        if self._loading:
            self._loading.cancel()

    def _begin(self) -> "asyncio.Task[Reranker]":
        task = asyncio.create_task(self._bring_up())
        # Those who waited for it may have given up; asyncio would complain that nobody heard of the failure.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return task

    def _drop(self) -> None:
        if self.reranker:
            # In the scoring thread: it comes after all that was given to it before.
            self._workers.scorer.begin(self.reranker.close)
            self.reranker = None

    async def _due(self) -> bool:
        if time.monotonic() >= self._next_attempt:
            return True
        return self._tried != await asyncio.to_thread(hub.fingerprint, self._hub_dir, self.model)

    async def _bring_up(self) -> Reranker:
        try:
            self._tried = await asyncio.to_thread(hub.fingerprint, self._hub_dir, self.model)
            if self.reranker:
                return await self._prove_again(self.reranker)
            await self._admit(self)
            started = time.perf_counter()
            reranker, answers, proof = await self._workers.loader.run(self._load_and_prove)
        except Exception as error:
            self._failed(error)
            raise ModelError(reason(error)) from error
        finally:
            self._loading = None
        seconds = time.perf_counter() - started
        self.reranker = reranker
        self.state = State(Status.READY, None, reranker.runtime, seconds, answers, proof)
        self._delay = FIRST_RETRY_SECONDS
        self._metrics.model_load_seconds.set(seconds)
        log.info("%s is ready (loaded in %.1f s): %s", self.model.name, seconds, reranker.runtime)
        return reranker

    async def _prove_again(self, reranker: Reranker) -> Reranker:
        """A model that failed once, if it still gives the known answers; one that does not is dropped."""
        try:
            answers = await self._workers.scorer.run(lambda: canary.check(reranker))
        except Exception as error:
            self._drop()
            # Not the files but what became of them in memory may be at fault: a fresh copy is worth an attempt.
            raise ModelError(reason(error)) from error
        if reranker is not self.reranker:
            raise ModelError(f"{self.model.name} was unloaded meanwhile")
        self.state = replace(self.state, status=Status.READY, error=None, known_answers=tuple(answers))
        log.info("%s gives the known answers again", self.model.name)
        return reranker

    def _load_and_prove(self) -> tuple[Reranker, tuple[canary.KnownAnswer, ...], recorded.Comparison]:
        try:
            reranker = self._load(self.model)
            try:
                answers = tuple(canary.check(reranker))
                return reranker, answers, self._compared(reranker, answers)
            except BaseException:
                reranker.close()
                raise
        except BaseException:
            # What is half loaded hangs in cycles.
            gc.collect()
            raise

    def _compared(self, reranker: Reranker, answers: tuple[canary.KnownAnswer, ...]) -> recorded.Comparison:
        """With what was recorded of this snapshot, else with what was of the one that it is a variant of."""
        path = hub.proof_path(self._hub_dir, self.model)
        if not path.exists() and hub.is_present(self._hub_dir, self.model):
            origin = hub.derived_from(self._hub_dir, self.model)
            path = hub.proof_path(self._hub_dir, origin) if origin else path
        return recorded.compare(path, reranker.runtime, answers)

    def _failed(self, error: Exception) -> None:
        hopeless = isinstance(error, UnusableRelease)
        self.lacks_environment = isinstance(error, BrokenEnvironment)
        self._next_attempt = math.inf if hopeless else time.monotonic() + self._delay
        self._metrics.rerank_failures.labels("load").inc()
        self.state = State(Status.FAILED, reason(error))
        log.error("%s cannot be used: %s", self.model.name, reason(error), exc_info=error)
        log.info("next attempt %s", "when a file of it changes" if hopeless else f"in {self._delay:g} s")
        self._delay = min(2 * self._delay, LAST_RETRY_SECONDS)
