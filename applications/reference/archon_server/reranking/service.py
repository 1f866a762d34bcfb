"""The models of the release: one is active, others may be loaded beside it, and a switch loses no search."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from ..errors import Busy, Invalid
from ..metrics import Metrics
from ..settings import Model, Settings
from ..storage import Storage
from . import LoadReranker, ModelError, environment, memory, reason
from .budget import Budget
from .choice import Choice
from .scorer import Scorer, TookTooLong
from .slot import Slot, Status, Workers
from .worker import Worker

log = logging.getLogger(__name__)


class RerankingUnavailable(Exception):
    """No scores can be had at the moment; the message says why."""


class RerankingService:
    """The event loop's thread alone may use it; what would block is done in threads of its own."""

    def __init__(
        self,
        settings: Settings,
        load: LoadReranker,
        storage: Storage,
        metrics: Metrics,
        owner: str,
        restart: Callable[[], None],
    ) -> None:
        """`owner` names this server in the database, over restarts of its container; `restart` has it start anew."""
        limit = memory.container_limit()
        self.budget = Budget(settings.hub_dir, settings.model_memory_bytes or memory.default_budget(limit), limit)
        self._seconds = settings.rerank_seconds
        self._metrics = metrics
        self._scorer = Scorer(metrics)
        self._restart = restart
        self._watch: asyncio.Task[None] | None = None
        self._loader = Worker("loader")
        workers = Workers(self._loader, self._scorer.worker)
        self.slots = {
            model.name: Slot(model, load, settings.hub_dir, workers, self._make_room, metrics)
            for model in settings.models
        }
        default = self.slots[settings.active_model.name] if settings.active_model else None
        self.choice = Choice(self.slots, default, storage, metrics, owner, settings.release)
        metrics.reranker_ready.set_function(lambda: self.choice.status is Status.READY)
        for name, slot in self.slots.items():
            metrics.model_memory_bytes.labels(name).set_function(lambda slot=slot: slot.memory_bytes)

    def start(self) -> None:
        """Loads in the background; returns at once."""
        self.choice.start()
        if self.slots:
            self._watch = asyncio.create_task(self._restart_when_environment_is_back())

    def stop(self) -> None:
        """Abandons whatever is still being done."""
        self.choice.stop()
        if self._watch:
            self._watch.cancel()
        for slot in self.slots.values():
            slot.cancel()
        self._loader.stop()
        self._scorer.worker.stop()

    def known(self, name: str) -> Slot:
        """The model that a search names. Raises Invalid with the allowed names."""
        if slot := self.slots.get(name):
            return slot
        raise Invalid(f"model: got {name!r}, expected {self.choice.allowed()}")

    async def rerank(self, query: str, passages: Sequence[str], named: Slot | None = None) -> tuple[list[float], Model]:
        """One score in 0..1 for each passage, and the model that gave them: the active one, or `named`, which is loaded
        if it is not.

        Raises RerankingUnavailable, or Busy if too many searches wait.
        """
        deadline = time.monotonic() + self._seconds
        if named:
            await self._wait_for(named, deadline)
        slot = named or self.choice.active
        reranker = slot.ready if slot else None
        if not slot or not reranker:
            raise RerankingUnavailable((slot and slot.state.error) or f"Reranking is {self.choice.status}")
        slot.touch()
        try:
            # Nothing is awaited between taking the model and queueing: it is unloaded in the same queue.
            scores = await self._scorer.score(reranker, query, passages, deadline - time.monotonic())
        except Busy:
            raise
        except TookTooLong:
            self._metrics.rerank_failures.labels("time").inc()
            raise RerankingUnavailable(
                f"Reranking took longer than the {self._seconds:g} s that a search may take"
            ) from None
        except Exception as error:
            self._metrics.rerank_failures.labels("score").inc()
            slot.suspect(reranker, error)
            self.choice.look_now()
            raise RerankingUnavailable(reason(error)) from error
        return scores, slot.model

    async def _wait_for(self, slot: Slot, deadline: float) -> None:
        try:
            await asyncio.wait_for(slot.ensure(), deadline - time.monotonic())
        except TimeoutError:
            raise RerankingUnavailable(f"The model {slot.model.name!r} is still being loaded; ask again") from None
        except ModelError as error:
            raise RerankingUnavailable(str(error)) from error

    async def _restart_when_environment_is_back(self) -> None:
        while True:
            await asyncio.sleep(environment.CHECK_SECONDS)
            if any(slot.lacks_environment for slot in self.slots.values()) and await environment.is_importable():
                log.warning("the environment can be imported again; this process ends so that a new one does it")
                self._restart()
                return

    async def _make_room(self, slot: Slot) -> None:
        await self.budget.make_room(slot, list(self.slots.values()), self.choice.active)
