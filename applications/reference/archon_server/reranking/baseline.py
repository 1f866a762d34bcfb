"""Checks what a model answers: three known questions, and the baseline that the store recorded for its snapshot.

Any working reranker answers the known questions. Damaged weights that still load give other scores than the baseline.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import Reranker, Runtime, UnusableModel

KNOWN_PAIRS = (
    (
        "How do bees make honey?",
        "Bees make honey from the nectar of flowers: they carry it to the hive and dry it there.",
    ),
    ("What is the boiling point of water?", "The boiling point of water is 100 degrees Celsius at sea level."),
    ("Who wrote the play Hamlet?", "Hamlet is a play that William Shakespeare wrote around the year 1600."),
)
"""Questions, each with the passage that answers it."""

FORMAT = 1
"""Of the baseline's file in the store."""

TOLERANCES = {"float32": 0.0005, "bfloat16": 0.05, "float16": 0.05, "int8": 0.1}
"""Largest allowed difference of a score, by the less precise of the two dtypes; docs/models-serving.md says why."""


@dataclass(frozen=True)
class KnownAnswer:
    """Scores of one question: of its own passage and of the best among the others."""

    query: str
    right: float
    best_other: float


@dataclass(frozen=True)
class Baseline:
    """What the store recorded of a snapshot: when, in which dtype, and the answers."""

    recorded: str
    dtype: str
    answers: tuple[KnownAnswer, ...]


@dataclass(frozen=True)
class BaselineComparison:
    """Today's scores beside those of the baseline. `problem` says why there was nothing to compare with.

    `largest_difference` is the largest of all scores' differences, `tolerance` the largest that is allowed.
    """

    recorded: str | None = None
    dtype: str | None = None
    answers: tuple[KnownAnswer, ...] = ()
    largest_difference: float | None = None
    tolerance: float | None = None
    problem: str | None = None


def check_known_answers(reranker: Reranker) -> list[KnownAnswer]:
    """Scores every question against every passage; a random scorer passes once in 27 times.

    Raises UnusableModel, with the scores, if a question does not put its own passage first.
    """
    passages = [passage for _, passage in KNOWN_PAIRS]
    answers = []
    for index, (query, _) in enumerate(KNOWN_PAIRS):
        scores = validate_scores(reranker.score(query, passages), len(passages))
        right = scores.pop(index)
        answers.append(KnownAnswer(query, right, max(scores)))
    wrong = [answer for answer in answers if answer.right <= answer.best_other]
    if wrong:
        found = "; ".join(f"{a.query!r}: right passage {a.right:.4f}, best other {a.best_other:.4f}" for a in wrong)
        raise UnusableModel(
            f"The model does not put known passages first ({found}). It is not a reranker, or it was loaded wrongly"
        )
    return answers


def validate_scores(scores: list[float], count: int) -> list[float]:
    """The scores if they are what a Reranker promises. Raises ValueError otherwise."""
    if len(scores) != count:
        raise ValueError(f"the model gave {len(scores)} scores for {count} passages")
    for score in scores:
        if not (math.isfinite(score) and 0 <= score <= 1):
            raise ValueError(f"the model gave the score {score}, which is not in 0..1")
    return scores


def compare(path: Path, runtime: Runtime, answers: Sequence[KnownAnswer]) -> BaselineComparison:
    """Compares the answers with the baseline in the file `path`.

    Raises UnusableModel, with the scores, if one differs by more than the tolerance. A baseline that cannot be read,
    or has a later format, is no reason to refuse a model that passes the baseline check.
    """
    try:
        baseline = _read(path)
    except FileNotFoundError:
        return BaselineComparison(problem="none recorded")
    except (OSError, ValueError, TypeError, KeyError) as error:
        return BaselineComparison(problem=f"{path} cannot be read ({type(error).__name__}: {error})")
    before = {answer.query: answer for answer in baseline.answers}
    pairs = [(before[answer.query], answer) for answer in answers if answer.query in before]
    if not pairs:
        return BaselineComparison(
            baseline.recorded, baseline.dtype, baseline.answers, problem="recorded for other questions"
        )
    tolerance = max(TOLERANCES.get(dtype, max(TOLERANCES.values())) for dtype in (baseline.dtype, runtime.dtype))
    largest = max(_difference(then, now) for then, now in pairs)
    if largest > tolerance:
        raise UnusableModel(_explain(baseline, runtime, tolerance, pairs))
    return BaselineComparison(baseline.recorded, baseline.dtype, baseline.answers, largest, tolerance)


def _read(path: Path) -> Baseline:
    content = json.loads(path.read_text())
    if content["format"] != FORMAT:
        raise ValueError(f"its format is {content['format']!r}, this server reads {FORMAT}")
    answers = tuple(
        KnownAnswer(str(each["query"]), float(each["right"]), float(each["best_other"])) for each in content["answers"]
    )
    return Baseline(str(content["recorded"]), str(content["dtype"]), answers)


def _difference(then: KnownAnswer, now: KnownAnswer) -> float:
    return max(abs(then.right - now.right), abs(then.best_other - now.best_other))


def _explain(
    baseline: Baseline, runtime: Runtime, tolerance: float, pairs: Sequence[tuple[KnownAnswer, KnownAnswer]]
) -> str:
    found = "; ".join(
        f"{now.query!r}: right passage {now.right:.4f} (recorded {then.right:.4f}), "
        f"best other {now.best_other:.4f} (recorded {then.best_other:.4f})"
        for then, now in pairs
        if _difference(then, now) > tolerance
    )
    return (
        f"The model scores known passages differently than in the baseline of {baseline.recorded}: {found}. "
        f"The allowed difference between {baseline.dtype} and {runtime.dtype} is {tolerance}. Its weights or the "
        "environment are damaged or have changed: `./archon verify --full` checks the store"
    )
