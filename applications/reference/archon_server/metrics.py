"""What the server counts and measures, for Prometheus. Names of metrics are stable; each application has a registry."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


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
            "archon_model_load_seconds", "Time the model took to load and to pass the baseline check", registry=registry
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
        self.passages = Gauge("archon_chunks", "Passages stored", registry=registry)
        self.refused_passages = Gauge(
            "archon_chunks_without_vector", "Passages that an embeddings endpoint refused", registry=registry
        )
