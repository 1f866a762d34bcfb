"""The memory that loaded models may take, and which of them are unloaded to make room for another one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import ModelError, memory_estimate
from .managed_model import ManagedModel

WITHOUT_MODELS_BYTES = 800 * 1024 * 1024
"""What the server takes beside weights: the imported packages, and the batch that is being scored."""

_SHARE = 0.9


@dataclass(frozen=True)
class MemoryBudget:
    """`memory_bytes` are for the weights of loaded models, of the `container_bytes` that the process may use."""

    hub_dir: Path
    memory_bytes: int
    container_bytes: int

    async def evict_lru(
        self, managed: ManagedModel, models: Sequence[ManagedModel], active: ManagedModel | None
    ) -> None:
        """Unloads the least recently used models until `managed` fits into the budget beside `active`.

        Raises ModelError if it does not fit. The active model may exceed the budget, as it has to be loaded anyway; it
        only has to fit into the container.
        """
        managed.estimated_bytes = await asyncio.to_thread(memory_estimate.estimate, self.hub_dir, managed.model)
        size = format_bytes(managed.estimated_bytes)
        if self.container_bytes and managed.estimated_bytes > self.container_bytes:
            limit = format_bytes(self.container_bytes)
            raise ModelError(f"{managed.name} takes about {size} in memory, and this container may use {limit}")
        others = [other for other in models if other is not managed]
        idle = [other for other in others if other.ready and other is not active]
        for other in sorted(idle, key=lambda each: each.used_at):
            if managed.estimated_bytes + sum(each.memory_bytes for each in others) <= self.memory_bytes:
                return
            other.unload()
        loaded = sum(each.memory_bytes for each in others)
        if managed.estimated_bytes + loaded > self.memory_bytes and managed is not active:
            raise ModelError(
                f"{managed.name} takes about {size} in memory beside the {format_bytes(loaded)} of the loaded models, "
                f"and models may take {format_bytes(self.memory_bytes)}. Give the container more memory "
                "(memoryMiB of the service), raise ARCHON_MODEL_MEMORY_BYTES, or make it the default of a release"
            )


def default_budget(limit: int) -> int:
    """Bytes for the weights of loaded models in a container of `limit` bytes."""
    return max(0, int(limit * _SHARE) - WITHOUT_MODELS_BYTES)


def format_bytes(size: int) -> str:
    """Bytes for people: "1.2 GB"."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
