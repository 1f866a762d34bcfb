"""Vectors from an OpenAI-compatible API, where one is configured."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from ..settings.runtime_settings import EffectiveSettings

QUESTION_SECONDS = 5.0
BATCH_SECONDS = 60.0
RETRY_SECONDS = 15.0
"""How long searches skip the endpoint after it failed, so that not every one of them waits for it."""


@dataclass(frozen=True)
class Endpoint:
    base_url: str
    model: str
    api_key: str

    @classmethod
    def configured(cls, effective: EffectiveSettings) -> "Endpoint | None":
        if not effective.llm_base_url or not effective.embedding_model:
            return None
        return cls(effective.llm_base_url.rstrip("/"), effective.embedding_model, effective.openai_api_key)


class EmbeddingsUnavailable(Exception):
    """The endpoint gives no vectors at the moment; the message says why, without the API key.

    `status` is that of its answer, if it gave one.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def blames_input(self) -> bool:
        """Whether the endpoint says that it is the texts: there are too many, one is too long, or it cannot take it."""
        return self.status in (400, 413, 422)

    @property
    def may_be_input(self) -> bool:
        """Whether the endpoint may do better with other texts. Some answer 500 to a text that is too long, or NaN."""
        return self.blames_input or self.status in (200, 500)


class EmbeddingClient:
    """Calls block, and may come from several threads at once."""

    def __init__(self) -> None:
        self._http = httpx.Client()
        self._failed: tuple[Endpoint, float, str] | None = None

    def of_question(self, endpoint: Endpoint, question: str) -> list[float]:
        """Raises EmbeddingsUnavailable, without a request if one failed less than RETRY_SECONDS ago."""
        failed = self._failed
        if failed and failed[0] == endpoint and time.monotonic() - failed[1] < RETRY_SECONDS:
            raise EmbeddingsUnavailable(failed[2])
        try:
            [vector] = self._request(endpoint, [question], QUESTION_SECONDS)
        except EmbeddingsUnavailable as error:
            # Another question may be answered.
            if not error.blames_input:
                self._failed = (endpoint, time.monotonic(), str(error))
            raise
        self._failed = None
        return vector

    def of_passages(self, endpoint: Endpoint, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, in their order. Raises EmbeddingsUnavailable."""
        return self._request(endpoint, texts, BATCH_SECONDS)

    def close(self) -> None:
        self._http.close()

    def _request(self, endpoint: Endpoint, texts: Sequence[str], seconds: float) -> list[list[float]]:
        url = f"{endpoint.base_url}/embeddings"
        headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
        body = {"model": endpoint.model, "input": list(texts), "encoding_format": "float"}
        try:
            reply = self._http.post(url, json=body, headers=headers, timeout=seconds)
        except UnicodeError as error:
            raise EmbeddingsUnavailable(f"{url} cannot be asked: {error}") from error
        except httpx.HTTPError as error:
            problem = f"{url} does not answer ({type(error).__name__}); see LLM_BASE_URL and EMBEDDING_MODEL"
            raise EmbeddingsUnavailable(problem) from error
        try:
            reply.raise_for_status()
            return _vectors(reply.json(), len(texts))
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            raise EmbeddingsUnavailable(f"{url} answered {status} for {endpoint.model}", status) from error
        except (ValueError, KeyError, TypeError) as error:
            problem = f"{url} gave no vectors: {type(error).__name__}: {error}"
            raise EmbeddingsUnavailable(problem, reply.status_code) from error


def _vectors(reply: dict[str, list[dict[str, object]]], expected: int) -> list[list[float]]:
    rows = sorted(reply["data"], key=lambda row: row["index"])
    vectors = [[float(number) for number in row["embedding"]] for row in rows]
    sizes = {len(vector) for vector in vectors}
    if len(vectors) != expected or len(sizes) != 1 or 0 in sizes:
        raise ValueError(f"{len(vectors)} vectors of {sorted(sizes)} numbers for {expected} texts")
    if not all(math.isfinite(number) for vector in vectors for number in vector) or not all(map(any, vectors)):
        raise ValueError("a vector is zero or not finite")
    return vectors
