"""The route of models: those of the release, and which of them serves."""

from typing import Any

from fastapi import APIRouter

from .reranking import hub
from .reranking.service import RerankingService, Status
from .settings import Settings


def router(settings: Settings, reranking: RerankingService) -> APIRouter:
    api = APIRouter(prefix="/api/models", tags=["models"])

    @api.get("")
    def models() -> dict[str, Any]:
        loaded = reranking.state.status is Status.READY
        return {
            "models": [
                {
                    "name": model.name,
                    "repo": model.repo,
                    "revision": model.revision,
                    "present": hub.is_present(settings.hub_dir, model),
                    "active": model == reranking.model,
                    "loaded": model == reranking.model and loaded,
                }
                for model in settings.models
            ]
        }

    return api
