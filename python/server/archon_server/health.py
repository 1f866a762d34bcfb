"""The routes of health: is this server fit for traffic, and on what does it stand."""

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from .draining import Draining
from .reranking.cross_encoder import installed_versions
from .reranking.service import RerankingService, Status
from .settings import Settings


def router(settings: Settings, reranking: RerankingService, draining: Draining) -> APIRouter:
    api = APIRouter(tags=["operation"])

    @api.get("/health")
    async def health() -> JSONResponse:
        """200 once the model has given the known answers, 503 with the reason before, and 503 as soon as the server is
        to stop.
        """
        state = reranking.state
        status, message = "healthy", None
        if draining.active:
            status, message = "draining", "The server is stopping; requests are still answered"
        elif state.status is Status.LOADING:
            status, message = "initializing", "The reranker is being loaded"
        elif state.status is Status.FAILED:
            status, message = "failed", state.error
        ready = status == "healthy"
        name = reranking.model.name if reranking.model else None
        body: dict[str, Any] = {
            "status": status,
            "service": "archon-backend",
            "timestamp": datetime.now(UTC).isoformat(),
            "ready": ready,
            "credentials_loaded": True,
            "schema_valid": True,
            "release": settings.release,
            "service_name": settings.service,
            "reranking": {"status": state.status, "model": name, "error": state.error},
        }
        if message:
            body["message"] = message
        return JSONResponse(body, 200 if ready else 503)

    @api.get("/health/ml")
    async def health_ml() -> dict[str, Any]:
        """What the reranking stands on: environment, packages, hardware, model and its known answers."""
        state = reranking.state
        runtime = state.runtime
        return {
            "status": state.status,
            "error": state.error,
            "environment_key": settings.environment_key,
            "versions": {"python": platform.python_version(), **installed_versions()},
            "model": asdict(reranking.model) if reranking.model else None,
            "device": runtime and runtime.device,
            "dtype": runtime and runtime.dtype,
            "threads": runtime and runtime.threads,
            "cuda_available": runtime and runtime.cuda_available,
            "load_seconds": state.load_seconds,
            "known_answer": {
                "passed": state.status is Status.READY,
                "questions": [asdict(answer) for answer in state.known_answers],
            },
        }

    return api
