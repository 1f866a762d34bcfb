"""The models of the release: one is active, others may be loaded beside it, and a switch loses no search."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from ..errors import Busy, Invalid
from ..metrics import Metrics
from ..settings import Model, Settings
from ..storage import Storage
from . import LoadReranker, ModelError, cgroup, package_check, reason
from .active_model import ActiveModel
from .budget import MemoryBudget, default_budget
from .managed_model import ManagedModel, Status, Workers
from .scorer import Scorer, TookTooLong
from .worker import Worker

log = logging.getLogger(__name__)


class RerankingUnavailable(Exception):
    """The passages cannot be scored at the moment; the message says why."""


class RerankingService:
    """Used by the event loop's thread only. What would block runs in threads of its own."""

    def __init__(
        self,
        settings: Settings,
        load: LoadReranker,
        storage: Storage,
        metrics: Metrics,
        owner: str,
        restart: Callable[[], None],
    ) -> None:
        """`owner` names this server in the database and stays the same when its container restarts.

        `restart` ends this process, so that the container starts a new one.
        """
        limit = cgroup.container_limit()
        self.budget = MemoryBudget(settings.hub_dir, settings.model_memory_bytes or default_budget(limit), limit)
        self._time_limit = settings.rerank_seconds
        self._metrics = metrics
        self._scorer = Scorer(metrics)
        self._restart = restart
        self._package_watch: asyncio.Task[None] | None = None
        self._loader = Worker("loader")
        workers = Workers(self._loader, self._scorer.worker)
        self.models = {
            model.name: ManagedModel(model, load, settings.hub_dir, workers, self._reserve_memory, metrics)
            for model in settings.models
        }
        default = self.models[settings.active_model.name] if settings.active_model else None
        self.active_model = ActiveModel(self.models, default, storage, metrics, owner, settings.release)
        metrics.reranker_ready.set_function(lambda: self.active_model.status is Status.READY)
        for name, managed in self.models.items():
            metrics.model_memory_bytes.labels(name).set_function(lambda managed=managed: managed.memory_bytes)

    def start(self) -> None:
        """Loads in the background; returns at once."""
        self.active_model.start()
        if self.models:
            self._package_watch = asyncio.create_task(self._restart_once_packages_import())

    def stop(self) -> None:
        """Abandons all work in progress."""
        self.active_model.stop()
        if self._package_watch:
            self._package_watch.cancel()
        for managed in self.models.values():
            managed.cancel()
        self._loader.stop()
        self._scorer.worker.stop()

    def named(self, name: str) -> ManagedModel:
        """The model that a search names. Raises Invalid with the allowed names."""
        if managed := self.models.get(name):
            return managed
        raise Invalid(f"model: got {name!r}, expected {self.active_model.allowed_names()}")

    async def rerank(
        self, query: str, passages: Sequence[str], named: ManagedModel | None = None
    ) -> tuple[list[float], Model]:
        """One score in 0..1 for each passage, and the model that gave them: `named`, or else the active one.

        A named model is loaded first if need be. Raises RerankingUnavailable, or Busy if too many searches wait.
        """
        deadline = time.monotonic() + self._time_limit
        if named:
            await self._wait_until_ready(named, deadline)
        managed = named or self.active_model.current
        if not managed:
            raise RerankingUnavailable(f"Reranking is {self.active_model.status}")
        reranker = managed.ready
        if not reranker:
            raise RerankingUnavailable(managed.state.error or f"Reranking is {self.active_model.status}")
        managed.mark_used()
        try:
            # Nothing is awaited between taking the model and queueing: it is unloaded in the same queue.
            scores = await self._scorer.score(reranker, query, passages, deadline - time.monotonic())
        except Busy:
            raise
        except TookTooLong:
            self._metrics.rerank_failures.labels("time").inc()
            raise RerankingUnavailable(
                f"Reranking took longer than the {self._time_limit:g} s that a search may take"
            ) from None
        except Exception as error:
            self._metrics.rerank_failures.labels("score").inc()
            managed.mark_degraded(reranker, error)
            self.active_model.wake_up()
            raise RerankingUnavailable(reason(error)) from error
        return scores, managed.model

    async def _wait_until_ready(self, managed: ManagedModel, deadline: float) -> None:
        try:
            await asyncio.wait_for(managed.ensure_ready(), deadline - time.monotonic())
        except TimeoutError:
            raise RerankingUnavailable(f"The model {managed.name!r} is still being loaded; ask again") from None
        except ModelError as error:
            raise RerankingUnavailable(str(error)) from error

    async def _restart_once_packages_import(self) -> None:
        """A process that failed to import the packages cannot try again, but the next one can."""
        while True:
            await asyncio.sleep(package_check.CHECK_SECONDS)
            lacks_packages = any(managed.lacks_packages for managed in self.models.values())
            if lacks_packages and await package_check.is_importable():
                log.warning("the packages can be imported again; this process ends so that a new one imports them")
                self._restart()
                return

    async def _reserve_memory(self, managed: ManagedModel) -> None:
        await self.budget.evict_lru(managed, list(self.models.values()), self.active_model.current)
