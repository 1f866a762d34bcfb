"""Which model reranks: the release's default, or the one chosen over it, which the database remembers."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import NotFound, StorageError
from ..metrics import Metrics
from ..settings.runtime_settings import CHOSEN_MODEL_KEY
from ..storage import Storage
from . import ModelError
from .managed_model import ManagedModel, State, Status

POLL_SECONDS = 1.0
"""How often a server looks for a model that was chosen through another server, and retries what failed."""

log = logging.getLogger(__name__)


@dataclass
class Switch:
    """The last change of the active model that this server was asked for. `state` is "loading", "done" or "failed"."""

    to: str
    state: str
    started: str
    ended: str | None = None
    error: str | None = None

    def end(self, state: str, error: str | None = None) -> None:
        self.state, self.error, self.ended = state, error, datetime.now(UTC).isoformat()


class ActiveModel:
    """Keeps the chosen model active and the active model working. Used by the event loop's thread only.

    `models` are those of the release by name; `default` is the release's own choice, None if it has none. `owner` names
    this server in the database and stays the same when its container restarts.
    """

    def __init__(
        self,
        models: Mapping[str, ManagedModel],
        default: ManagedModel | None,
        storage: Storage,
        metrics: Metrics,
        owner: str,
        release: str,
    ) -> None:
        self.models = models
        self.default = self.current = default
        self.chosen: str | None = None
        self.switch: Switch | None = None
        self._storage = storage
        self._metrics = metrics
        # A stable key: servers of other releases share the database.
        self._worked_key = f"proven/{owner}"
        self._release = release
        self._worked = False
        """Whether a model has worked in this process."""
        self._worked_before = False
        """Whether one has worked in an earlier process of this container and release."""
        self._requested: ManagedModel | None = None
        self._switching = asyncio.Lock()
        self._wakeup = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def status(self) -> Status:
        """Of the active model. If it fails after a model has worked, the service is degraded and not failed."""
        if not self.current:
            return Status.NOT_CONFIGURED
        status = self.current.state.status
        if status is Status.READY:
            return status
        if self._worked or (self._worked_before and status is Status.FAILED):
            return Status.DEGRADED
        return Status.LOADING if status is Status.IDLE else status

    @property
    def state(self) -> State | None:
        """Of the active model."""
        return self.current.state if self.current else None

    @property
    def notice(self) -> str | None:
        """Why the chosen model is not the active one; None if it is."""
        if not self.current or self.chosen in (None, self.current.name):
            return None
        chosen = self.models.get(self.chosen)
        if not chosen:
            return f"The chosen model {self.chosen!r} is not in this release, so the default model is used"
        why = chosen.state.error or "it is being loaded"
        return f"The chosen model {self.chosen!r} is not in use yet: {why}"

    def start(self) -> None:
        """Loads in the background; returns at once."""
        if self.default:
            self._spawn(self._reconcile_loop())

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def wake_up(self) -> None:
        """Reconciles now instead of at the next poll, because something failed."""
        self._wakeup.set()

    def allowed_names(self) -> str:
        return f"one of {', '.join(self.models)}" if self.models else "nothing, as this release has no models"

    def activate(self, name: str) -> Switch:
        """Begins to make `name` the active model, here and in all servers of this database.

        It is loaded beside the active model, is checked, and only then takes over. Raises NotFound with the allowed
        names.
        """
        requested = self.models.get(name)
        if not requested:
            raise NotFound(f"There is no model {name!r} in this release; choose {self.allowed_names()}")
        if not (self._requested is requested and self.switch):
            self._requested = requested
            self.switch = Switch(name, "loading", datetime.now(UTC).isoformat())
            self._spawn(self._activate(requested, self.switch))
        return self.switch

    async def _activate(self, requested: ManagedModel, switch: Switch) -> None:
        async with self._switching:
            try:
                if self._requested is not requested:
                    switch.end("failed", "Another model was requested in the meantime")
                    return
                await requested.ensure_ready(retry_now=True)
                await asyncio.to_thread(self._storage.save_setting, CHOSEN_MODEL_KEY, requested.name)
                # It may have been evicted while the choice was saved. If not, this returns without awaiting anything,
                # and nothing can evict it before it is the active model.
                await requested.ensure_ready(retry_now=True)
            except (ModelError, StorageError) as error:
                self._metrics.model_switches.labels("failed").inc()
                log.error("the active model stays: %s", error)
                switch.end("failed", str(error))
            else:
                self.chosen = requested.name
                self._make_current(requested)
                switch.end("done")
            finally:
                if self._requested is requested:
                    self._requested = None

    def _make_current(self, managed: ManagedModel) -> None:
        previous, self.current = self.current, managed
        managed.mark_used()
        if previous and previous is not managed:
            log.info("%s takes over from %s", managed.name, previous.name)
            self._metrics.model_switches.labels("done").inc()
            previous.unload()

    async def _reconcile_loop(self) -> None:
        while True:
            self._wakeup.clear()
            try:
                async with self._switching:
                    await self._sync()
                    await self._recover()
            except Exception:
                log.exception("reconciling the active model failed; trying again")
            try:
                await asyncio.wait_for(self._wakeup.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def _sync(self) -> None:
        """Activates the model that was chosen through another server, or before this server started."""
        try:
            self.chosen = await asyncio.to_thread(self._storage.setting, CHOSEN_MODEL_KEY)
            if not self._worked:
                release = await asyncio.to_thread(self._storage.setting, self._worked_key)
                self._worked_before = self._release != "" and release == self._release
        except StorageError as error:
            log.warning("the chosen model cannot be looked up: %s", error)
        chosen = self.models.get(self.chosen or "") or self.default
        if chosen is None or chosen is self.current:
            return
        if not self._worked and self.current is self.default and chosen.state.status is Status.IDLE:
            # At the start no model is in use yet, so the default need not be loaded first.
            self.current = chosen
            return
        try:
            await chosen.ensure_ready()
        except ModelError:
            return
        self._make_current(chosen)

    async def _recover(self) -> None:
        """Makes the active model ready, or falls back to the default if that fails."""
        for managed in dict.fromkeys((self.current, self.default)):
            if not managed:
                continue
            try:
                await managed.ensure_ready()
            except ModelError:
                continue
            if managed is not self.current:
                self._make_current(managed)
            if not self._worked:
                self._worked = True
                await self._remember_that_it_worked()
            return

    async def _remember_that_it_worked(self) -> None:
        """If this container restarts and cannot load its model, it still answers searches, without reranking."""
        if not self._release:
            return
        try:
            await asyncio.to_thread(self._storage.save_setting, self._worked_key, self._release)
        except StorageError as error:
            log.warning("cannot record that the model of this release has worked: %s", error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
