"""Puts the parts together. The caller brings the storage and the reranker, so that tests can bring their own."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from ..embeddings.backfill import EmbeddingBackfill
from ..embeddings.client import EmbeddingClient
from ..ingestion.jobs import Jobs
from ..ingestion.service import IngestionService
from ..metrics import Metrics
from ..process.graceful_shutdown import GracefulShutdown
from ..reranking import LoadReranker
from ..reranking.service import RerankingService
from ..search.service import SearchService
from ..settings import Settings
from ..settings.runtime_settings import RuntimeSettings
from ..settings.vault import Vault
from ..storage import Storage
from . import errors, schemas
from .middleware import LimitBody, MeasureRequests, RequireToken, TokenCheck
from .page import ServePage
from .routes import (
    crawls,
    credentials,
    health,
    knowledge_items,
    mcp,
    metrics,
    models,
    progress,
    projects,
    root,
    search,
    uploads,
)
from .socketio_events import PATH as SOCKETIO_PATH
from .socketio_events import SocketIoEvents


def create_app(settings: Settings, storage: Storage, load: LoadReranker, shutdown: GracefulShutdown) -> FastAPI:
    """The application. It answers from the moment it is started; the model is loaded in the background."""
    measured = Metrics()
    # A container keeps its host name over a restart, and two servers on one database differ in it or in the port.
    owner = f"{socket.gethostname()}:{settings.port}"
    reranking = RerankingService(settings, load, storage, measured, owner, shutdown.request)
    jobs = Jobs(storage, owner)
    runtime_settings = RuntimeSettings(storage, Vault(settings.data_dir), settings.models)
    embeddings = EmbeddingClient()
    backfill = EmbeddingBackfill(storage, runtime_settings, embeddings)
    ingestion = IngestionService(storage, jobs, backfill, settings.crawl, settings.browser)
    search_service = SearchService(storage, reranking, measured, runtime_settings, embeddings)
    is_token = TokenCheck(settings.token)
    events = SocketIoEvents(jobs, is_token)
    shutdown.before_closing.append(events.close)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        events.start()
        ingestion.start()
        reranking.start()
        yield
        await ingestion.finish()
        reranking.stop()
        embeddings.close()
        storage.close()

    # No pages of documentation: they would load scripts from elsewhere. The schema itself is at /openapi.json.
    app = FastAPI(
        title="archon-server",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses={"default": {"model": schemas.ErrorReply, "description": "Any other error"}},
    )
    errors.install(app)
    app.add_middleware(LimitBody, upload_path=uploads.UPLOAD_PATH, max_upload_bytes=settings.max_upload_bytes)
    if settings.token:
        app.add_middleware(RequireToken, is_token=is_token)
    app.add_middleware(MeasureRequests, metrics=measured)
    app.add_middleware(ServePage, directory=settings.page_dir)
    for router in (
        health.router(settings, reranking, shutdown),
        metrics.router(measured, storage),
        models.router(settings, reranking),
        root.router(),
        uploads.router(ingestion, settings.max_upload_bytes),
        crawls.router(storage, jobs, ingestion),
        knowledge_items.router(storage),
        progress.router(jobs),
        search.router(search_service),
        credentials.router(runtime_settings, ingestion.fill_vectors),
        projects.router(),
        mcp.router(settings),
    ):
        app.include_router(router)
    app.mount(SOCKETIO_PATH, events.app)
    return app
