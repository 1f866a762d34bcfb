"""Scores how well passages answer a question. The model is behind one small interface, Reranker."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..settings import Model


@dataclass(frozen=True)
class Runtime:
    """What a loaded model runs on. `dtype` and `memory_bytes` are those of its weights in memory."""

    device: str
    dtype: str
    threads: int
    cuda_available: bool
    memory_bytes: int


class Reranker(Protocol):
    """A loaded model. Two threads never call it at the same time."""

    runtime: Runtime

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """One number in 0..1 for each passage, higher is better. May raise any exception; the caller handles it."""
        ...

    def close(self) -> None:
        """Frees the memory; no other call follows."""
        ...


LoadReranker = Callable[[Model], Reranker]
"""Loads a model; blocks for seconds. Raises ModelError with a message for people, or any other exception."""


class ModelError(Exception):
    """The model cannot be used; the message says why and what to do."""


class UnusableModel(ModelError):
    """The model cannot be used, and another attempt is useless until its files change."""


def reason(error: BaseException) -> str:
    """The text of an error for a reply."""
    return str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
