"""Judging how well passages answer a question. What judges is behind one small interface."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..settings import Model


@dataclass(frozen=True)
class Runtime:
    """What a loaded model runs on; `dtype` is that of its weights in memory."""

    device: str
    dtype: str
    threads: int
    cuda_available: bool


class Reranker(Protocol):
    """A loaded model. Called from one thread only."""

    runtime: Runtime

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """One number in 0..1 for each passage, higher is better. May raise anything: the caller copes."""
        ...


LoadReranker = Callable[[Model], Reranker]
"""Loads a model; blocks for seconds. Raises ModelError with a reason for people, or anything else."""


class ModelError(Exception):
    """The model cannot be used; the message says why and what to do."""


class UnusableRelease(ModelError):
    """The model cannot be used and no further attempt of this process would change that."""
