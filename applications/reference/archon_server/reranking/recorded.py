"""The recorded proof: the known answers that a snapshot gave when the store first proved it, to compare with today's.

Weights that were damaged and still load give other scores.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import Runtime, UnusableRelease
from .canary import KnownAnswer

FORMAT = 1

TOLERANCES = {"float32": 0.0005, "bfloat16": 0.05, "float16": 0.05, "int8": 0.1}
"""Largest difference of a score, by the less precise of the two dtypes; docs/models-serving.md says why."""


@dataclass(frozen=True)
class Proof:
    """What the store recorded: when, in which dtype, and the answers."""

    recorded: str
    dtype: str
    answers: tuple[KnownAnswer, ...]


@dataclass(frozen=True)
class Comparison:
    """Of the scores found with the recorded ones. `problem` says why there was nothing to compare with.

    `largest_difference` is of any score, `tolerance` what it may be.
    """

    recorded: str | None = None
    dtype: str | None = None
    answers: tuple[KnownAnswer, ...] = ()
    largest_difference: float | None = None
    tolerance: float | None = None
    problem: str | None = None


def compare(path: Path, runtime: Runtime, answers: Sequence[KnownAnswer]) -> Comparison:
    """Raises UnusableRelease, with the scores, if one differs by more than the tolerance from that recorded in `path`.

    A proof that cannot be read, or of a later format, is no reason to refuse a model that gives the known answers.
    """
    try:
        proof = _read(path)
    except FileNotFoundError:
        return Comparison(problem="none recorded")
    except (OSError, ValueError, TypeError, KeyError) as error:
        return Comparison(problem=f"{path} cannot be read ({type(error).__name__}: {error})")
    before = {answer.query: answer for answer in proof.answers}
    pairs = [(before[answer.query], answer) for answer in answers if answer.query in before]
    if not pairs:
        return Comparison(proof.recorded, proof.dtype, proof.answers, problem="recorded for other questions")
    tolerance = max(TOLERANCES.get(dtype, max(TOLERANCES.values())) for dtype in (proof.dtype, runtime.dtype))
    largest = max(_difference(then, now) for then, now in pairs)
    if largest > tolerance:
        raise UnusableRelease(_complaint(proof, runtime, tolerance, pairs))
    return Comparison(proof.recorded, proof.dtype, proof.answers, largest, tolerance)


def _read(path: Path) -> Proof:
    content = json.loads(path.read_text())
    if content["format"] != FORMAT:
        raise ValueError(f"its format is {content['format']!r}, this server reads {FORMAT}")
    answers = tuple(
        KnownAnswer(str(each["query"]), float(each["right"]), float(each["best_other"])) for each in content["answers"]
    )
    return Proof(str(content["recorded"]), str(content["dtype"]), answers)


def _difference(then: KnownAnswer, now: KnownAnswer) -> float:
    return max(abs(then.right - now.right), abs(then.best_other - now.best_other))


def _complaint(
    proof: Proof, runtime: Runtime, tolerance: float, pairs: Sequence[tuple[KnownAnswer, KnownAnswer]]
) -> str:
    found = "; ".join(
        f"{now.query!r}: right passage {now.right:.4f} (recorded {then.right:.4f}), "
        f"best other {now.best_other:.4f} (recorded {then.best_other:.4f})"
        for then, now in pairs
        if _difference(then, now) > tolerance
    )
    return (
        f"The model scores known passages otherwise than when it was proven on {proof.recorded}: {found}. "
        f"Allowed is a difference of {tolerance} between {proof.dtype} and {runtime.dtype}. Its weights or the "
        "environment are damaged or others: `npm run verify -- --full` checks the store"
    )
