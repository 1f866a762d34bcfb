"""The memory that loaded models may take, and who has to go when another one is wanted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import ModelError, memory, weights
from .slot import Slot


@dataclass(frozen=True)
class Budget:
    """`memory_bytes` are for the weights of loaded models, of the `container_bytes` that the process may use."""

    hub_dir: Path
    memory_bytes: int
    container_bytes: int

    async def make_room(self, slot: Slot, slots: Sequence[Slot], active: Slot | None) -> None:
        """Unloads what was used longest ago until `slot` fits into the budget beside `active`.

        Raises ModelError if it does not. The active model has to be loaded anyway; only a container that cannot hold it
        at all is told.
        """
        slot.estimate = await asyncio.to_thread(weights.memory_estimate, self.hub_dir, slot.model)
        size = memory.shown(slot.estimate)
        if self.container_bytes and slot.estimate > self.container_bytes:
            limit = memory.shown(self.container_bytes)
            raise ModelError(f"{slot.model.name} takes about {size} in memory, and this container may use {limit}")
        others = [other for other in slots if other is not slot]
        idle = [other for other in others if other.ready and other is not active]
        for other in sorted(idle, key=lambda each: each.used):
            if slot.estimate + sum(each.memory_bytes for each in others) <= self.memory_bytes:
                return
            other.unload()
        beside = sum(each.memory_bytes for each in others)
        if slot.estimate + beside > self.memory_bytes and slot is not active:
            raise ModelError(
                f"{slot.model.name} takes about {size} in memory beside the {memory.shown(beside)} of what is loaded, "
                f"and models may take {memory.shown(self.memory_bytes)}. Give the container more memory "
                "(memoryMiB of the service), raise ARCHON_MODEL_MEMORY_BYTES, or make it the default of a release"
            )
