"""Judging how well passages answer a question. What judges is behind one small interface."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..settings import Model


@dataclass(frozen=True)
class Runtime:
    """What a loaded model runs on; `dtype` and `memory_bytes` are those of its weights in memory."""

    device: str
    dtype: str
    threads: int
    cuda_available: bool
    memory_bytes: int


class Reranker(Protocol):
    """A loaded model. Never called by two threads at once."""

    runtime: Runtime

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """One number in 0..1 for each passage, higher is better. May raise anything: the caller copes."""
        ...

    def close(self) -> None:
        """Gives the memory back; the last call."""
        ...


LoadReranker = Callable[[Model], Reranker]
"""Loads a model; blocks for seconds. Raises ModelError with a reason for people, or anything else."""


class ModelError(Exception):
    """The model cannot be used; the message says why and what to do."""


class UnusableRelease(ModelError):
    """The model cannot be used, and no further attempt changes that while its files stay as they are."""


def reason(error: BaseException) -> str:
    """An error as people read it in a reply."""
    return str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
