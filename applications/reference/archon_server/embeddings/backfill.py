"""Makes the vectors of stored passages, where an embeddings endpoint is configured."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ..settings.runtime_settings import RuntimeSettings
from ..storage import Storage
from .client import EmbeddingClient, EmbeddingsUnavailable, Endpoint

BATCH = 32
"""Passages per request, until an endpoint takes fewer only."""

PROBE = "otter"
"""A text that every endpoint can take: if this one fails too, the endpoint is to blame and not the passage."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Filled:
    """The vectors that were made for a document. `refused` has the positions of passages that the endpoint refuses."""

    made: int = 0
    refused: dict[int, str] = field(default_factory=dict)


class EmbeddingBackfill:
    """Called from one worker. `stop` ends the work after the current batch; other passages get their vectors later."""

    def __init__(self, storage: Storage, runtime_settings: RuntimeSettings, embeddings: EmbeddingClient) -> None:
        self._storage = storage
        self._runtime_settings = runtime_settings
        self._embeddings = embeddings
        self._stopped = threading.Event()
        self._sizes: dict[Endpoint, int] = {}

    def stop(self) -> None:
        self._stopped.set()

    def fill(self, source_id: str, progressed: Callable[[int], None]) -> Filled:
        """Makes the missing vectors of a document; none without an endpoint.

        `progressed` is called with the number of passages done so far. Raises EmbeddingsUnavailable; the vectors made
        until then stay.
        """
        done = refused = 0
        while endpoint := self._endpoint():
            now_done, now_refused = self._fill_batch(endpoint, source_id)
            if not now_done:
                found = self._storage.refused_vectors(endpoint.base_url, endpoint.model, source_id)
                return Filled(done - refused, found)
            done += now_done
            refused += now_refused
            progressed(done)
        return Filled(done - refused)

    def fill_some(self) -> bool:
        """Makes one batch of vectors for any documents, and returns whether more may be missing.

        If the endpoint is unavailable, it only logs that.
        """
        endpoint = self._endpoint()
        if endpoint is None:
            return False
        try:
            return self._fill_batch(endpoint, None)[0] > 0
        except EmbeddingsUnavailable as error:
            log.warning("cannot make vectors for stored passages: %s", error)
            return False

    def _endpoint(self) -> Endpoint | None:
        return None if self._stopped.is_set() else Endpoint.configured(self._runtime_settings.effective())

    def _fill_batch(self, endpoint: Endpoint, source_id: str | None) -> tuple[int, int]:
        """How many passages were tried, and how many of them the endpoint refused."""
        size = self._sizes.get(endpoint, BATCH)
        batch = self._storage.passages_without_vector(endpoint.base_url, endpoint.model, size, source_id)
        return len(batch), self._make(endpoint, batch) if batch else 0

    def _make(self, endpoint: Endpoint, batch: list[tuple[int, str]]) -> int:
        """Makes vectors, and returns how many passages were refused. What the endpoint does not take at once it gets in
        halves, down to the one it refuses."""
        try:
            vectors = self._embeddings.of_passages(endpoint, [text for _, text in batch])
        except EmbeddingsUnavailable as error:
            if not error.may_be_input:
                raise
            if len(batch) == 1:
                return self._make_alone(endpoint, *batch[0], error)
            half = (len(batch) + 1) // 2
            refused = self._make(endpoint, batch[:half]) + self._make(endpoint, batch[half:])
            # Another failure may have passed by itself. After this one no passage was to blame: there were too many.
            if error.blames_input and not refused:
                self._sizes[endpoint] = min(half, self._sizes.get(endpoint, half))
            return refused
        self._storage.add_vectors(
            endpoint.model, {id_: vector for (id_, _), vector in zip(batch, vectors, strict=True)}
        )
        return 0

    def _make_alone(self, endpoint: Endpoint, passage_id: int, text: str, error: EmbeddingsUnavailable) -> int:
        """As `_make`, for a passage that was refused alone. Raises EmbeddingsUnavailable if no text at all is taken."""
        try:
            self._embeddings.of_passages(endpoint, [PROBE])
        except EmbeddingsUnavailable:
            raise error from None
        try:
            # The first failure may have been a passing one.
            [vector] = self._embeddings.of_passages(endpoint, [text])
        except EmbeddingsUnavailable as again:
            if not again.may_be_input:
                raise
            log.warning("passage %d stays without a vector: %s", passage_id, again)
            self._storage.note_refused_vector(endpoint.base_url, endpoint.model, passage_id, str(again))
            return 1
        self._storage.add_vectors(endpoint.model, {passage_id: vector})
        return 0
