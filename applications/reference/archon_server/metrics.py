"""What the server counts and measures, for Prometheus. Each application has its own registry."""

import time

from fastapi import APIRouter, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .access import REALTIME_PATHS
from .storage import Storage

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.request_seconds = Histogram(
            "archon_request_seconds",
            "Time to answer a request",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.retrieval_seconds = Histogram(
            "archon_retrieval_seconds", "Time to find the candidates of a search", buckets=_SECONDS, registry=registry
        )
        self.rerank_seconds = Histogram(
            "archon_rerank_seconds",
            "Time to rerank the candidates, waiting included",
            buckets=_SECONDS,
            registry=registry,
        )
        self.pairs_scored = Counter("archon_rerank_pairs", "Pairs of question and passage scored", registry=registry)
        self.rerank_failures = Counter(
            "archon_rerank_failures", "Failures of the reranker", ("stage",), registry=registry
        )
        for stage in ("load", "score", "time"):
            self.rerank_failures.labels(stage)
        self.model_load_seconds = Gauge(
            "archon_model_load_seconds", "Time the model took to load and to give the known answers", registry=registry
        )
        self.model_memory_bytes = Gauge(
            "archon_model_memory_bytes",
            "Bytes of a model's weights in memory, 0 if not loaded",
            ("model",),
            registry=registry,
        )
        self.model_switches = Counter(
            "archon_model_switches", "Changes of the active model", ("outcome",), registry=registry
        )
        for outcome in ("done", "failed"):
            self.model_switches.labels(outcome)
        self.reranker_ready = Gauge("archon_reranker_ready", "1 while searches are reranked", registry=registry)
        self.documents = Gauge("archon_documents", "Documents stored", registry=registry)
        self.chunks = Gauge("archon_chunks", "Passages stored", registry=registry)


class MeasureRequests:
    """ASGI middleware: one observation a request, by route template, so that ids in paths make no new series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A request of Socket.IO may wait for news as long as it likes.
        if scope["type"] != "http" or scope["path"].startswith(REALTIME_PATHS):
            await self._app(scope, receive, send)
            return
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, note_status)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.request_seconds.labels(method, route, status).observe(time.perf_counter() - started)


def router(metrics: Metrics, storage: Storage) -> APIRouter:
    api = APIRouter(tags=["operation"])

    @api.get("/metrics")
    def show() -> Response:
        counts = storage.counts()
        metrics.documents.set(counts.documents)
        metrics.chunks.set(counts.chunks)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return api
