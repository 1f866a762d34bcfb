"""The routes of health: whether this server is fit for traffic, and what it runs on."""

import platform
from dataclasses import asdict
from datetime import UTC, datetime

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from ...process.graceful_shutdown import GracefulShutdown
from ...reranking.active_model import ActiveModel
from ...reranking.managed_model import ManagedModel, State, Status, name_of
from ...reranking.package_check import installed_versions
from ...reranking.service import RerankingService
from ...settings import Settings
from .. import schemas


def router(settings: Settings, reranking: RerankingService, shutdown: GracefulShutdown) -> APIRouter:
    api = APIRouter(tags=["operation"])
    active_model = reranking.active_model

    @api.get("/health", response_model=schemas.Health, responses={503: {"model": schemas.Health}})
    async def health() -> JSONResponse:
        """200 once the model has passed the baseline check. 503 with the reason before that, and as soon as the server
        is asked to stop.
        """
        status, message = _status(active_model, shutdown)
        ready = status == "healthy"
        body = schemas.Health(
            status=status,
            service="archon-backend",
            timestamp=_now(),
            ready=ready,
            credentials_loaded=True,
            schema_valid=True,
            release=settings.release,
            service_name=settings.service,
            reranking=schemas.RerankingHealth(
                status=active_model.status,
                model=name_of(active_model.current),
                default=name_of(active_model.default),
                error=_error(active_model),
                notice=active_model.notice,
            ),
            **({"message": message} if message else {}),
        )
        return JSONResponse(body.model_dump(exclude_unset=True), 200 if ready else 503)

    @api.get("/api/health")
    async def api_health() -> schemas.ApiHealth:
        """Archon's page polls this to see whether the server answers at all: 200 whether or not it is ready, as in
        Archon. Whether it is fit for traffic is at `/health`.
        """
        status, _ = _status(active_model, shutdown)
        return schemas.ApiHealth(status=status, service="knowledge-api", timestamp=_now())

    @api.get("/health/ml")
    async def health_ml() -> schemas.MlHealth:
        """What the reranking runs on: environment, packages, hardware, models and their baselines."""
        return schemas.MlHealth(
            status=active_model.status,
            environment_key=settings.environment_key,
            versions={"python": platform.python_version(), **installed_versions()},
            default=name_of(active_model.default),
            chosen=active_model.chosen,
            notice=active_model.notice,
            models=[_model_health(managed) for managed in reranking.models.values()],
            **dict(_model_health(active_model.current)),
        )

    return api


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _status(active_model: ActiveModel, shutdown: GracefulShutdown) -> tuple[schemas.HealthStatus, str | None]:
    """The status of the server, and a message if it is not healthy."""
    if shutdown.requested:
        return "draining", "The server is stopping; requests are still answered"
    if active_model.status is Status.LOADING:
        return "initializing", "The reranker is being loaded"
    if active_model.status is Status.FAILED:
        return "failed", _error(active_model)
    return "healthy", None


def _error(active_model: ActiveModel) -> str | None:
    return active_model.state.error if active_model.state else None


def _model_health(managed: ManagedModel | None) -> schemas.ModelHealth:
    if managed is None:
        return _health_of(State(Status.NOT_CONFIGURED), identity=None, passed=False)
    return _health_of(
        managed.state, identity=schemas.ModelIdentity(**asdict(managed.model)), passed=managed.ready is not None
    )


def _health_of(state: State, *, identity: schemas.ModelIdentity | None, passed: bool) -> schemas.ModelHealth:
    runtime = {"device": None, "dtype": None, "threads": None, "cuda_available": None, "memory_bytes": None}
    if state.runtime:
        runtime = asdict(state.runtime)
    recorded = schemas.RecordedBaseline(**asdict(state.comparison)) if state.comparison else None
    questions = [schemas.KnownAnswer(**asdict(answer)) for answer in state.known_answers]
    return schemas.ModelHealth(
        model=identity,
        error=state.error,
        load_seconds=state.load_seconds,
        known_answer=schemas.KnownAnswers(passed=passed, questions=questions, recorded=recorded),
        **runtime,
    )
