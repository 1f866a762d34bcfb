"""The routes of health: is this server fit for traffic, and on what does it stand."""

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from .draining import Draining
from .reranking.environment import installed_versions
from .reranking.service import RerankingService
from .reranking.slot import Slot, Status
from .settings import Settings


def router(settings: Settings, reranking: RerankingService, draining: Draining) -> APIRouter:
    api = APIRouter(tags=["operation"])

    @api.get("/health")
    async def health() -> JSONResponse:
        """200 once the model has given the known answers, 503 with the reason before, and 503 as soon as the server is
        to stop.
        """
        status, message = "healthy", None
        choice = reranking.choice
        error = choice.state.error if choice.state else None
        if draining.active:
            status, message = "draining", "The server is stopping; requests are still answered"
        elif choice.status is Status.LOADING:
            status, message = "initializing", "The reranker is being loaded"
        elif choice.status is Status.FAILED:
            status, message = "failed", error
        ready = status == "healthy"
        body: dict[str, Any] = {
            "status": status,
            "service": "archon-backend",
            "timestamp": datetime.now(UTC).isoformat(),
            "ready": ready,
            "credentials_loaded": True,
            "schema_valid": True,
            "release": settings.release,
            "service_name": settings.service,
            "reranking": {
                "status": choice.status,
                "model": choice.active and choice.active.model.name,
                "default": choice.default and choice.default.model.name,
                "error": error,
                "notice": choice.notice,
            },
        }
        if message:
            body["message"] = message
        return JSONResponse(body, 200 if ready else 503)

    @api.get("/health/ml")
    async def health_ml() -> dict[str, Any]:
        """What the reranking stands on: environment, packages, hardware, models and their known answers."""
        choice = reranking.choice
        return {
            "status": choice.status,
            "environment_key": settings.environment_key,
            "versions": {"python": platform.python_version(), **installed_versions()},
            "default": choice.default and choice.default.model.name,
            "chosen": choice.chosen,
            "notice": choice.notice,
            **_proof(choice.active),
            "models": [_proof(slot) for slot in reranking.slots.values()],
        }

    return api


def _proof(slot: Slot | None) -> dict[str, Any]:
    """How a model was loaded and what it answered, beside what was recorded of it; all None without a model."""
    state = slot.state if slot else None
    runtime = state and state.runtime
    proof = state and state.proof
    return {
        "model": slot and asdict(slot.model),
        "error": state and state.error,
        "device": runtime and runtime.device,
        "dtype": runtime and runtime.dtype,
        "threads": runtime and runtime.threads,
        "cuda_available": runtime and runtime.cuda_available,
        "memory_bytes": runtime and runtime.memory_bytes,
        "load_seconds": state and state.load_seconds,
        "known_answer": {
            "passed": bool(slot and slot.ready),
            "questions": [asdict(answer) for answer in state.known_answers] if state else [],
            "recorded": proof and asdict(proof),
        },
    }
