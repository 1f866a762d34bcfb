"""The routes of models: those of the release, which of them serves, and switching to another."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from .reranking import hub, weights
from .reranking.choice import Switch
from .reranking.service import RerankingService
from .reranking.slot import Slot
from .settings import Settings


class Activation(BaseModel):
    name: Annotated[str, Field(max_length=200)]


def router(settings: Settings, reranking: RerankingService) -> APIRouter:
    api = APIRouter(prefix="/api/models", tags=["models"])

    @api.get("")
    async def models() -> dict[str, Any]:
        choice = reranking.choice
        return {
            "models": [await _description(slot) for slot in reranking.slots.values()],
            "active": _name(choice.active),
            "default": _name(choice.default),
            "chosen": choice.chosen,
            "notice": choice.notice,
            "switch": _switch(choice.switch),
            "memory": {
                "budget_bytes": reranking.budget.memory_bytes,
                "used_bytes": sum(slot.memory_bytes for slot in reranking.slots.values()),
                "container_bytes": reranking.budget.container_bytes,
            },
        }

    @api.post("/activate", status_code=202)
    async def activate(request: Activation) -> dict[str, Any]:
        """Returns at once; GET /api/models tells how it goes on."""
        switch = reranking.choice.activate(request.name)
        return {"success": True, "active": _name(reranking.choice.active), "switch": _switch(switch)}

    async def _description(slot: Slot) -> dict[str, Any]:
        model = slot.model
        size = await run_in_threadpool(hub.disk_bytes, settings.hub_dir, model)
        estimate = await run_in_threadpool(weights.memory_estimate, settings.hub_dir, model)
        present = await run_in_threadpool(hub.is_present, settings.hub_dir, model)
        return {
            "name": model.name,
            "repo": model.repo,
            "revision": model.revision,
            "variant": model.variant,
            "state": _state(slot, present),
            "error": slot.state.error,
            "present": present,
            "loaded": slot.ready is not None,
            "active": slot is reranking.choice.active,
            "default": slot is reranking.choice.default,
            "disk_bytes": size,
            "memory_bytes": slot.memory_bytes if slot.ready else estimate,
            "dtype": slot.state.runtime and slot.state.runtime.dtype,
            "load_seconds": slot.state.load_seconds,
            "last_used": slot.last_used,
        }

    return api


def _state(slot: Slot, present: bool) -> str:
    """One of absent, present, loading, ready, failed."""
    if slot.ready:
        return "ready"
    if slot.loading:
        return "loading"
    if slot.state.error:
        return "failed" if present else "absent"
    return "present" if present else "absent"


def _name(slot: Slot | None) -> str | None:
    return slot and slot.model.name


def _switch(switch: Switch | None) -> dict[str, Any] | None:
    return switch and vars(switch)
