"""Puts the parts together. Which storage and which reranker are the caller's choice, so that tests bring their own."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from . import documents, errors, health, metrics, models, progress, search
from .access import LimitBody, RequireToken
from .draining import Draining
from .ingestion import Ingestion
from .metrics import MeasureRequests, Metrics
from .page import ServePage
from .progress import Operations
from .reranking import LoadReranker
from .reranking.service import RerankingService
from .settings import Settings
from .storage import Storage


def create_app(settings: Settings, storage: Storage, load: LoadReranker, draining: Draining) -> FastAPI:
    """The application. It answers from the moment it is started; the model is loaded in the background."""
    measured = Metrics()
    reranking = RerankingService(settings.active_model, load, measured)
    # A container keeps its host name over a restart, and two servers on one database differ in it or in the port.
    operations = Operations(storage, owner=f"{socket.gethostname()}:{settings.port}")
    ingestion = Ingestion(storage, operations)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        ingestion.start()
        reranking.start()
        yield
        await ingestion.finish()
        reranking.stop()
        storage.close()

    # No pages of documentation: they would load scripts from elsewhere. The description itself is at /openapi.json.
    app = FastAPI(title="archon-server", lifespan=lifespan, docs_url=None, redoc_url=None)
    errors.install(app)
    app.add_middleware(LimitBody, upload_path=documents.UPLOAD_PATH, max_upload_bytes=settings.max_upload_bytes)
    if settings.token:
        app.add_middleware(RequireToken, token=settings.token)
    app.add_middleware(MeasureRequests, metrics=measured)
    app.add_middleware(ServePage, directory=settings.page_dir)
    for router in (
        health.router(settings, reranking, draining),
        metrics.router(measured, storage),
        models.router(settings, reranking),
        documents.router(storage, ingestion, settings.max_upload_bytes),
        progress.router(operations),
        search.router(storage, reranking, measured),
    ):
        app.include_router(router)
    return app
