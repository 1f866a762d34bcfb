"""The routes of models: which ones the release has, which one is active, and switching to another."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from ...reranking import hf_cache, memory_estimate
from ...reranking.active_model import Switch
from ...reranking.managed_model import ManagedModel, name_of
from ...reranking.service import RerankingService
from ...settings import Settings
from .. import schemas


class Activation(BaseModel):
    name: Annotated[str, Field(max_length=200)]


def router(settings: Settings, reranking: RerankingService) -> APIRouter:
    api = APIRouter(prefix="/api/models", tags=["models"])
    active_model = reranking.active_model

    @api.get("")
    async def models() -> schemas.ModelList:
        return schemas.ModelList(
            models=[await _info(managed) for managed in reranking.models.values()],
            active=name_of(active_model.current),
            default=name_of(active_model.default),
            chosen=active_model.chosen,
            notice=active_model.notice,
            switch=_switch(active_model.switch) if active_model.switch else None,
            memory=schemas.ModelMemory(
                budget_bytes=reranking.budget.memory_bytes,
                used_bytes=sum(managed.memory_bytes for managed in reranking.models.values()),
                container_bytes=reranking.budget.container_bytes,
            ),
        )

    @api.post("/activate", status_code=202)
    async def activate(request: Activation) -> schemas.ModelActivation:
        """Returns at once; GET /api/models says how far the switch is."""
        switch = active_model.activate(request.name)
        return schemas.ModelActivation(success=True, active=name_of(active_model.current), switch=_switch(switch))

    async def _info(managed: ManagedModel) -> schemas.ModelInfo:
        model = managed.model
        disk_bytes = await run_in_threadpool(hf_cache.disk_bytes, settings.hub_dir, model)
        estimate = await run_in_threadpool(memory_estimate.estimate, settings.hub_dir, model)
        present = await run_in_threadpool(hf_cache.is_present, settings.hub_dir, model)
        runtime = managed.state.runtime
        return schemas.ModelInfo(
            name=model.name,
            repo=model.repo,
            revision=model.revision,
            variant=model.variant,
            state=_state(managed, present),
            error=managed.state.error,
            present=present,
            loaded=managed.ready is not None,
            active=managed is active_model.current,
            default=managed is active_model.default,
            disk_bytes=disk_bytes,
            memory_bytes=managed.memory_bytes if managed.ready else estimate,
            dtype=runtime.dtype if runtime else None,
            load_seconds=managed.state.load_seconds,
            last_used=managed.last_used,
        )

    return api


def _state(managed: ManagedModel, present: bool) -> str:
    if managed.ready:
        return "ready"
    if managed.loading:
        return "loading"
    if managed.state.error:
        return "failed" if present else "absent"
    return "present" if present else "absent"


def _switch(switch: Switch) -> schemas.ModelSwitch:
    return schemas.ModelSwitch(**vars(switch))
