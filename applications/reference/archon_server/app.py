"""Puts the parts together. Which storage and which reranker are the caller's choice, so that tests bring their own."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from . import about, crawl, credentials, documents, errors, health, items, metrics, models, progress, search
from .access import LimitBody, RequireToken, TokenCheck
from .draining import Draining
from .embeddings import Embeddings
from .ingestion import Ingestion
from .metrics import MeasureRequests, Metrics
from .operations import Operations
from .page import ServePage
from .preferences import Preferences
from .realtime import PATH as REALTIME_PATH
from .realtime import Realtime
from .reranking import LoadReranker
from .reranking.service import RerankingService
from .settings import Settings
from .storage import Storage
from .vault import Vault
from .vectors import Vectors


def create_app(settings: Settings, storage: Storage, load: LoadReranker, draining: Draining) -> FastAPI:
    """The application. It answers from the moment it is started; the model is loaded in the background."""
    measured = Metrics()
    # A container keeps its host name over a restart, and two servers on one database differ in it or in the port.
    owner = f"{socket.gethostname()}:{settings.port}"
    reranking = RerankingService(settings, load, storage, measured, owner, draining.begin)
    operations = Operations(storage, owner)
    preferences = Preferences(storage, Vault(settings.data_dir), settings.models)
    embeddings = Embeddings()
    vectors = Vectors(storage, preferences, embeddings)
    ingestion = Ingestion(storage, operations, vectors, settings.crawl, settings.browser)
    is_token = TokenCheck(settings.token)
    realtime = Realtime(operations, is_token)
    draining.at_end.append(realtime.close)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        realtime.start()
        ingestion.start()
        reranking.start()
        yield
        await ingestion.finish()
        reranking.stop()
        embeddings.close()
        storage.close()

    # No pages of documentation: they would load scripts from elsewhere. The description itself is at /openapi.json.
    app = FastAPI(title="archon-server", lifespan=lifespan, docs_url=None, redoc_url=None)
    errors.install(app)
    app.add_middleware(LimitBody, upload_path=documents.UPLOAD_PATH, max_upload_bytes=settings.max_upload_bytes)
    if settings.token:
        app.add_middleware(RequireToken, is_token=is_token)
    app.add_middleware(MeasureRequests, metrics=measured)
    app.add_middleware(ServePage, directory=settings.page_dir)
    for router in (
        health.router(settings, reranking, draining),
        metrics.router(measured, storage),
        models.router(settings, reranking),
        about.router(),
        documents.router(ingestion, settings.max_upload_bytes),
        crawl.router(storage, operations, ingestion),
        items.router(storage),
        progress.router(operations),
        search.router(storage, reranking, measured, preferences, embeddings),
        credentials.router(preferences, ingestion.fill_vectors),
    ):
        app.include_router(router)
    app.mount(REALTIME_PATH, realtime.app)
    return app
