"""The route of metrics, for Prometheus."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ...metrics import Metrics
from ...storage import Storage


def router(metrics: Metrics, storage: Storage) -> APIRouter:
    api = APIRouter(tags=["operation"])

    @api.get("/metrics")
    def show() -> Response:
        counts = storage.counts()
        metrics.documents.set(counts.documents)
        metrics.chunks.set(counts.chunks)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return api
