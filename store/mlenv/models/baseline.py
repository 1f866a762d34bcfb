"""The baseline of a model: its answers when it was first served. Later servers must give the same answers."""

from __future__ import annotations

import json

from ..core import durable, failpoints, progress
from ..core.errors import MlenvError, UsageError
from ..core.model import Model
from ..store.manifest import now
from ..store.store import Store

FORMAT = 1

_ANSWER_TYPES = {"query": str, "right": (int, float), "best_other": (int, float)}
_STRINGS = ("device", "dtype", "environment")
"""What the answers were computed with; all required."""


def record(store: Store, model: Model, document: object) -> None:
    """Record the baseline of a model; an existing one is kept. Raises UsageError for a malformed document.

    The document is `{answers: [{query, right, best_other}], device, dtype, environment}`. Of each answer, `right` is
    the score of the right passage, `best_other` the highest score of the others.
    """
    baseline = {"format": FORMAT, "recorded": now(), **_checked(document)}
    path = store.snapshot_baseline(model)
    with store.object_lock(f"model-{model.folder}-{model.revision}", f"model {model}"):
        if not store.snapshot(model).is_dir():
            raise MlenvError(f"models/{model} is not in the store, so it has no baseline to record")
        if path.exists():
            return progress.info(f"model {model} already has a baseline, which is kept")
        path.parent.mkdir(mode=0o755, exist_ok=True)
        durable.write_text(path, json.dumps(baseline, indent=1) + "\n")
        failpoints.reach("record.written")
    return progress.info(
        f"baseline of model {model} recorded: {progress.pluralise(len(baseline['answers']), 'answer')}"
    )


def _checked(document: object) -> dict:
    if not isinstance(document, dict):
        raise UsageError(f"baseline: expected an object, got {document!r}")
    given = {name: value for name, value in document.items() if name != "format"}
    problems = []
    if document.get("format", FORMAT) != FORMAT:
        problems.append(f"format {document['format']!r}: expected {FORMAT}")
    unknown = sorted(given.keys() - {"answers", "recorded", *_STRINGS})
    if unknown:
        problems.append(f"unknown names {', '.join(unknown)}")
    problems += [
        f"{name}: expected a string, got {given.get(name)!r}" for name in _STRINGS if not _is_string(given, name)
    ]
    if "recorded" in given and not _is_string(given, "recorded"):
        problems.append(f"recorded: expected a time, got {given['recorded']!r}")
    answers = given.get("answers")
    if not isinstance(answers, list) or not answers:
        problems.append(f"answers: expected a list of {{query, right, best_other}}, got {answers!r}")
    else:
        problems += [
            f"answers: {answer!r} is not {{query, right, best_other}}" for answer in answers if not _is_answer(answer)
        ]
    if problems:
        raise UsageError(f"the baseline cannot be used:\n{progress.bullets(problems)}")
    return given


def _is_string(given: dict, name: str) -> bool:
    return isinstance(given.get(name), str)


def _is_answer(answer: object) -> bool:
    if not isinstance(answer, dict) or answer.keys() != _ANSWER_TYPES.keys():
        return False
    return all(isinstance(answer[name], kind) for name, kind in _ANSWER_TYPES.items())
