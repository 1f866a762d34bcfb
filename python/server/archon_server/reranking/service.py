"""The models of the release: one is active, others may be loaded beside it, and a switch loses no search."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import Busy, Invalid, NotFound, StorageError
from ..metrics import Metrics
from ..settings import Model, Settings
from ..storage import Storage
from . import LoadReranker, ModelError, memory, reason, weights
from .scorer import Scorer, TookTooLong
from .slot import Slot, State, Status, Workers
from .worker import Worker

CHOICE = "active_model"
"""Key of the setting that names the model chosen over the release's default."""

POLL_SECONDS = 1.0
"""How often a server looks for a choice made through another one, and after what failed."""

log = logging.getLogger(__name__)


class RerankingUnavailable(Exception):
    """No scores can be had at the moment; the message says why."""


@dataclass(frozen=True)
class Limits:
    """`search_seconds` is the time budget of one search; `memory_bytes` that of loaded weights, of the container's
    `container_bytes`.
    """

    search_seconds: float
    memory_bytes: int
    container_bytes: int


@dataclass
class Switch:
    """The last change of the active model that was asked for here. `state` is "loading", "done" or "failed"."""

    to: str
    state: str
    started: str
    ended: str | None = None
    error: str | None = None

    def end(self, state: str, error: str | None = None) -> None:
        self.state, self.error, self.ended = state, error, datetime.now(UTC).isoformat()


class RerankingService:
    """`default` is the release's model, None if it has none. All is for the event loop's thread."""

    def __init__(
        self,
        settings: Settings,
        load: LoadReranker,
        storage: Storage,
        metrics: Metrics,
        limits: Limits,
        owner: str,
    ) -> None:
        """`owner` names this server in the database, over restarts of its container."""
        self.limits = limits
        self.scorer = Scorer(metrics)
        self.chosen: str | None = None
        self.switch: Switch | None = None
        self._loader = Worker("loader")
        self._hub_dir = settings.hub_dir
        self._storage = storage
        self._metrics = metrics
        self._proven_key = f"proven/{owner}"
        self._release = settings.release
        workers = Workers(self._loader, self.scorer.worker)
        self.slots = {
            model.name: Slot(model, load, settings.hub_dir, workers, self._make_room, metrics)
            for model in settings.models
        }
        self.default: Slot | None = self.slots[settings.active_model.name] if settings.active_model else None
        self.active = self.default
        self._proven = False
        """Whether a model has been proven by this process."""
        self._proven_before = False
        """Whether one was by an earlier process of this container and release."""
        self._requested: Slot | None = None
        self._switching = asyncio.Lock()
        self._poke = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        metrics.reranker_ready.set_function(lambda: self.status is Status.READY)
        for name, slot in self.slots.items():
            metrics.model_memory_bytes.labels(name).set_function(lambda slot=slot: slot.memory_bytes)

    @property
    def status(self) -> Status:
        """Of the active model, seen as this server's: what fails after it had been proven is a degradation."""
        if not self.active:
            return Status.NOT_CONFIGURED
        status = self.active.state.status
        if status is Status.READY:
            return status
        if self._proven or (self._proven_before and status is Status.FAILED):
            return Status.DEGRADED
        return Status.LOADING if status is Status.IDLE else status

    @property
    def state(self) -> State | None:
        """Of the active model."""
        return self.active.state if self.active else None

    @property
    def notice(self) -> str | None:
        """Why the model that was chosen is not the one that serves; None if it is."""
        if not self.active or self.chosen in (None, self.active.model.name):
            return None
        slot = self.slots.get(self.chosen)
        if not slot:
            return f"The chosen model {self.chosen!r} is not in this release; the default serves"
        why = slot.state.error or "it is being loaded"
        return f"The chosen model {self.chosen!r} does not serve yet: {why}"

    def start(self) -> None:
        """Loads in the background; returns at once."""
        if self.default:
            self._spawn(self._tend())

    def stop(self) -> None:
        """Abandons whatever is still being done."""
        for task in self._tasks:
            task.cancel()
        for slot in self.slots.values():
            slot.cancel()
        self._loader.stop()
        self.scorer.worker.stop()

    def known(self, name: str) -> Slot:
        """The model that a search names. Raises Invalid with the allowed names."""
        if slot := self.slots.get(name):
            return slot
        raise Invalid(f"model: got {name!r}, expected {self._allowed()}")

    async def rerank(self, query: str, passages: Sequence[str], named: Slot | None = None) -> tuple[list[float], Model]:
        """One score in 0..1 for each passage, and the model that gave them: the active one, or `named`, which is loaded
        if it is not.

        Raises RerankingUnavailable, or Busy if too many searches wait.
        """
        deadline = time.monotonic() + self.limits.search_seconds
        if named:
            await self._wait_for(named, deadline)
        slot = named or self.active
        reranker = slot.ready if slot else None
        if not slot or not reranker:
            raise RerankingUnavailable((slot and slot.state.error) or f"Reranking is {self.status}")
        slot.touch()
        try:
            # Nothing is awaited between taking the model and queueing: it is unloaded in the same queue.
            scores = await self.scorer.score(reranker, query, passages, deadline - time.monotonic())
        except Busy:
            raise
        except TookTooLong:
            self._metrics.rerank_failures.labels("time").inc()
            raise RerankingUnavailable(
                f"Reranking took longer than the {self.limits.search_seconds:g} s that a search may take"
            ) from None
        except Exception as error:
            self._metrics.rerank_failures.labels("score").inc()
            slot.suspect(reranker, error)
            self._poke.set()
            raise RerankingUnavailable(reason(error)) from error
        return scores, slot.model

    async def _wait_for(self, slot: Slot, deadline: float) -> None:
        try:
            await asyncio.wait_for(slot.ensure(), deadline - time.monotonic())
        except TimeoutError:
            raise RerankingUnavailable(f"The model {slot.model.name!r} is still being loaded; ask again") from None
        except ModelError as error:
            raise RerankingUnavailable(str(error)) from error

    def activate(self, name: str) -> Switch:
        """Begins to make `name` the active model, here and in all servers of this database.

        It is loaded beside the active one, proven, and only then takes over. Raises NotFound with the allowed names.
        """
        slot = self.slots.get(name)
        if not slot:
            raise NotFound(f"There is no model {name!r} in this release; choose {self._allowed()}")
        if not (self._requested is slot and self.switch):
            self._requested = slot
            self.switch = Switch(name, "loading", datetime.now(UTC).isoformat())
            self._spawn(self._activate(slot, self.switch))
        return self.switch

    async def _activate(self, slot: Slot, switch: Switch) -> None:
        async with self._switching:
            try:
                if self._requested is not slot:
                    switch.end("failed", "Another model was asked for meanwhile")
                    return
                await slot.ensure(again=True)
                await asyncio.to_thread(self._storage.save_setting, CHOICE, slot.model.name)
            except (ModelError, StorageError) as error:
                self._metrics.model_switches.labels("failed").inc()
                log.error("the active model stays: %s", error)
                switch.end("failed", str(error))
            else:
                self.chosen = slot.model.name
                self._serve_by(slot)
                switch.end("done")
            finally:
                if self._requested is slot:
                    self._requested = None

    def _serve_by(self, slot: Slot) -> None:
        old, self.active = self.active, slot
        slot.touch()
        if old and old is not slot:
            log.info("%s takes over from %s", slot.model.name, old.model.name)
            self._metrics.model_switches.labels("done").inc()
            old.unload()

    async def _tend(self) -> None:
        """Keeps the active model in working order, and the active one the chosen one."""
        while True:
            self._poke.clear()
            try:
                async with self._switching:
                    await self._follow()
                    await self._heal()
            except StorageError as error:
                log.warning("the chosen model cannot be looked up: %s", error)
            except Exception:
                log.exception("looking after the models failed")
            try:
                await asyncio.wait_for(self._poke.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def _follow(self) -> None:
        """Takes up a choice that was made through another server, or before this one started."""
        self.chosen = await asyncio.to_thread(self._storage.setting, CHOICE)
        if not self._proven and await asyncio.to_thread(self._storage.setting, self._proven_key) == self._release != "":
            self._proven_before = True
        slot = self.slots.get(self.chosen or "") or self.default
        if slot is None or slot is self.active:
            return
        if not self._proven and self.active is self.default and slot.state.status is Status.IDLE:
            # At the start nothing serves yet: the default need not be loaded first.
            self.active = slot
            return
        try:
            await slot.ensure()
        except ModelError:
            return
        self._serve_by(slot)

    async def _heal(self) -> None:
        """Brings the active model up; if it cannot be, the default serves."""
        for slot in dict.fromkeys((self.active, self.default)):
            if not slot:
                continue
            try:
                await slot.ensure()
            except ModelError:
                continue
            if slot is not self.active:
                self._serve_by(slot)
            if not self._proven:
                self._proven = True
                if self._release:
                    await asyncio.to_thread(self._storage.save_setting, self._proven_key, self._release)
            return

    async def _make_room(self, slot: Slot) -> None:
        """Unloads what was used longest ago until `slot` fits into the budget beside the active model.

        The active model itself has to be loaded anyway; only a container that cannot hold it at all is told.
        """
        slot.estimate = await asyncio.to_thread(weights.memory_estimate, self._hub_dir, slot.model)
        size = memory.shown(slot.estimate)
        if self.limits.container_bytes and slot.estimate > self.limits.container_bytes:
            limit = memory.shown(self.limits.container_bytes)
            raise ModelError(f"{slot.model.name} takes about {size} in memory, and this container may use {limit}")
        others = [other for other in self.slots.values() if other is not slot]
        idle = [other for other in others if other.ready and other is not self.active]
        for other in sorted(idle, key=lambda each: each.used):
            if slot.estimate + sum(each.memory_bytes for each in others) <= self.limits.memory_bytes:
                return
            other.unload()
        beside = sum(each.memory_bytes for each in others)
        if slot.estimate + beside > self.limits.memory_bytes and slot is not self.active:
            raise ModelError(
                f"{slot.model.name} takes about {size} in memory beside the {memory.shown(beside)} of what is loaded, "
                f"and models may take {memory.shown(self.limits.memory_bytes)}. Give the container more memory "
                "(memoryMiB of the service), raise ARCHON_MODEL_MEMORY_BYTES, or make it the default of a release"
            )

    def _allowed(self) -> str:
        return f"one of {', '.join(self.slots)}" if self.slots else "nothing, as this release has no models"

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
