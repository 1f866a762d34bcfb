"""The route of metrics, for Prometheus."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ...metrics import Metrics
from ...storage import Storage


def router(measured: Metrics, storage: Storage) -> APIRouter:
    api = APIRouter(tags=["operation"])

    @api.get("/metrics")
    def metrics_page() -> Response:
        counts = storage.counts()
        measured.documents.set(counts.documents)
        measured.passages.set(counts.passages)
        measured.refused_passages.set(storage.count_refused_vectors())
        return Response(generate_latest(measured.registry), media_type=CONTENT_TYPE_LATEST)

    return api
