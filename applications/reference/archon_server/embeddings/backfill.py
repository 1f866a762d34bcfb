"""Makes the vectors of stored passages, where an embeddings endpoint is configured."""

import logging
import threading
from collections.abc import Callable

from ..settings.runtime_settings import RuntimeSettings
from ..storage import Storage
from .client import EmbeddingClient, EmbeddingsUnavailable, Endpoint

BATCH = 32
log = logging.getLogger(__name__)


class EmbeddingBackfill:
    """Called from one worker. `stop` ends the work after the current batch; other passages get their vectors later."""

    def __init__(self, storage: Storage, runtime_settings: RuntimeSettings, embeddings: EmbeddingClient) -> None:
        self._storage = storage
        self._runtime_settings = runtime_settings
        self._embeddings = embeddings
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def fill(self, source_id: str | None = None, progressed: Callable[[int], None] = lambda _: None) -> int:
        """Makes the missing vectors of a document, or of all documents, and returns how many it made.

        That is 0 without an endpoint. `progressed` is called with the number made so far. Raises EmbeddingsUnavailable;
        the vectors made until then stay.
        """
        made = 0
        while count := self._fill_batch(source_id):
            made += count
            progressed(made)
        return made

    def fill_some(self) -> bool:
        """Makes one batch of vectors for any documents, and returns whether more may be missing.

        If the endpoint is unavailable, it only logs that.
        """
        try:
            return self._fill_batch(None) == BATCH
        except EmbeddingsUnavailable as error:
            log.warning("cannot make vectors for stored passages: %s", error)
            return False

    def _fill_batch(self, source_id: str | None) -> int:
        endpoint = Endpoint.configured(self._runtime_settings.effective())
        if endpoint is None or self._stopped.is_set():
            return 0
        batch = dict(self._storage.passages_without_vector(endpoint.model, BATCH, source_id))
        if batch:
            vectors = self._embeddings.of_passages(endpoint, list(batch.values()))
            self._storage.add_vectors(endpoint.model, dict(zip(batch, vectors, strict=True)))
        return len(batch)
