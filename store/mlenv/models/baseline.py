"""The proof of a model: what it answered when it was first served. Later servers must answer the same."""

from __future__ import annotations

import json

from ..core import durable, failpoints, progress
from ..core.errors import MlenvError, UsageError
from ..core.model import Model
from ..store.manifest import now
from ..store.store import Store

FORMAT = 1

_ANSWER = {"query": str, "right": (int, float), "best_other": (int, float)}
_TEXTS = ("device", "dtype", "environment")


def record(store: Store, model: Model, document: object) -> None:
    """Keep the known answers of a model; the first proof stays. Raises UsageError for answers that are none."""
    proof = {"format": FORMAT, "recorded": now(), **_checked(document)}
    path = store.snapshot_proof(model)
    with store.working(f"model-{model.folder}-{model.revision}", f"model {model}"):
        if not store.snapshot(model).is_dir():
            raise MlenvError(f"models/{model} is not in the store: nothing to prove")
        if path.exists():
            return progress.say(f"model {model} is proven already; the first proof stays")
        path.parent.mkdir(mode=0o755, exist_ok=True)
        durable.write_text(path, json.dumps(proof, indent=1) + "\n")
        failpoints.reach("record.written")
    return progress.say(f"model {model} is proven: {progress.number(len(proof['answers']), 'known answer')}")


def _checked(document: object) -> dict:
    if not isinstance(document, dict):
        raise UsageError(f"known answers: expected an object, got {document!r}")
    given = {name: value for name, value in document.items() if name != "format"}
    problems = []
    if document.get("format", FORMAT) != FORMAT:
        problems.append(f"format {document['format']!r}: expected {FORMAT}")
    unknown = sorted(given.keys() - {"answers", "recorded", *_TEXTS})
    if unknown:
        problems.append(f"unknown names {', '.join(unknown)}")
    problems += [f"{name}: expected a text, got {given.get(name)!r}" for name in _TEXTS if not _is_text(given, name)]
    if "recorded" in given and not _is_text(given, "recorded"):
        problems.append(f"recorded: expected a time, got {given['recorded']!r}")
    answers = given.get("answers")
    if not isinstance(answers, list) or not answers:
        problems.append(f"answers: expected a list of {{query, right, best_other}}, got {answers!r}")
    else:
        problems += [f"answers: {answer!r} is not {{query, right, best_other}}" for answer in answers if _odd(answer)]
    if problems:
        raise UsageError("the known answers cannot be used:\n" + "\n".join(f"  - {problem}" for problem in problems))
    return given


def _is_text(given: dict, name: str) -> bool:
    return isinstance(given.get(name), str)


def _odd(answer: object) -> bool:
    if not isinstance(answer, dict) or answer.keys() != _ANSWER.keys():
        return True
    return not all(isinstance(answer[name], kind) for name, kind in _ANSWER.items())
