"""Which model serves: the release's default, or the one chosen over it, which is kept in the database."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import NotFound, StorageError
from ..metrics import Metrics
from ..storage import Storage
from . import ModelError
from .slot import Slot, State, Status

CHOICE = "active_model"
"""Key of the setting that names the model chosen over the release's default."""

POLL_SECONDS = 1.0
"""How often a server looks for a choice made through another one, and after what failed."""

log = logging.getLogger(__name__)


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


class Choice:
    """Keeps the active model in working order, and the active one the chosen one. For the event loop's thread alone.

    `slots` are the models of the release by name, `default` is its own choice, None if it has none. `owner` names this
    server in the database, over restarts of its container.
    """

    def __init__(
        self,
        slots: Mapping[str, Slot],
        default: Slot | None,
        storage: Storage,
        metrics: Metrics,
        owner: str,
        release: str,
    ) -> None:
        self.slots = slots
        self.default = self.active = default
        self.chosen: str | None = None
        self.switch: Switch | None = None
        self._storage = storage
        self._metrics = metrics
        self._proven_key = f"proven/{owner}"
        self._release = release
        self._proven = False
        """Whether a model has been proven by this process."""
        self._proven_before = False
        """Whether one was by an earlier process of this container and release."""
        self._requested: Slot | None = None
        self._switching = asyncio.Lock()
        self._poke = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

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
        for task in self._tasks:
            task.cancel()

    def look_now(self) -> None:
        """Something broke: do not wait until the next look."""
        self._poke.set()

    def allowed(self) -> str:
        return f"one of {', '.join(self.slots)}" if self.slots else "nothing, as this release has no models"

    def activate(self, name: str) -> Switch:
        """Begins to make `name` the active model, here and in all servers of this database.

        It is loaded beside the active one, proven, and only then takes over. Raises NotFound with the allowed names.
        """
        slot = self.slots.get(name)
        if not slot:
            raise NotFound(f"There is no model {name!r} in this release; choose {self.allowed()}")
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
                # It may have had to make room meanwhile. If not, nothing comes between this and its taking over.
                await slot.ensure(again=True)
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
            except Exception:
                log.exception("looking after the models failed")
            try:
                await asyncio.wait_for(self._poke.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def _follow(self) -> None:
        """Takes up a choice that was made through another server, or before this one started."""
        try:
            self.chosen = await asyncio.to_thread(self._storage.setting, CHOICE)
            if not self._proven:
                proven = await asyncio.to_thread(self._storage.setting, self._proven_key)
                self._proven_before = proven == self._release != ""
        except StorageError as error:
            log.warning("the chosen model cannot be looked up: %s", error)
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
                await self._remember_proof()
            return

    async def _remember_proof(self) -> None:
        """So that this container, started again without its model, serves unranked results and not none."""
        if not self._release:
            return
        try:
            await asyncio.to_thread(self._storage.save_setting, self._proven_key, self._release)
        except StorageError as error:
            log.warning("that this release is proven cannot be kept: %s", error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
