"""Gives stored passages their vectors, where an embeddings endpoint is configured."""

import logging
import threading
from collections.abc import Callable

from ..settings.runtime_settings import RuntimeSettings
from ..storage import Storage
from .client import EmbeddingClient, EmbeddingsUnavailable, Endpoint

BATCH = 32
log = logging.getLogger(__name__)


class EmbeddingBackfill:
    """Called from one worker. `stop` ends the work after the batch in hand; what lacks a vector then gets it later."""

    def __init__(self, storage: Storage, preferences: RuntimeSettings, embeddings: EmbeddingClient) -> None:
        self._storage = storage
        self._preferences = preferences
        self._embeddings = embeddings
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def fill(self, source_id: str | None = None, progressed: Callable[[int], None] = lambda _: None) -> int:
        """EmbeddingBackfill for the passages of a document, or of all, that lack one; returns how many were made.

        0 without an endpoint. `progressed` gets the number made so far. Raises EmbeddingsUnavailable; what was made by
        then stays.
        """
        made = 0
        while count := self._fill_batch(source_id):
            made += count
            progressed(made)
        return made

    def fill_some(self) -> bool:
        """One batch of any documents; whether there may be more to do. That the endpoint is down is only logged."""
        try:
            return self._fill_batch(None) == BATCH
        except EmbeddingsUnavailable as error:
            log.warning("no vectors for what is stored: %s", error)
            return False

    def _fill_batch(self, source_id: str | None) -> int:
        endpoint = Endpoint.configured(self._preferences.effective())
        if endpoint is None or self._stopped.is_set():
            return 0
        batch = dict(self._storage.chunks_without_vector(endpoint.model, BATCH, source_id))
        if batch:
            vectors = self._embeddings.of_passages(endpoint, list(batch.values()))
            self._storage.add_vectors(endpoint.model, dict(zip(batch, vectors, strict=True)))
        return len(batch)
