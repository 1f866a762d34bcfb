"""Collections of passages and questions with known answers: the built-in one, or the user's own."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archon_server import extraction
from archon_server.passages import Passage, split_into_passages

HELD_OUT = Path(__file__).parents[1] / "demo_model" / "heldout.json"
MISLEADING = Path(__file__).with_name("misleading.json")
_EXAMPLE = '{"questions": [{"question": "How long is the timeout?", "contains": ["It is thirty seconds"]}]}'


class CollectionError(Exception):
    """Lists every problem with the given documents and questions, one per line."""


@dataclass(frozen=True)
class Question:
    """A question with a known answer."""

    text: str
    contains: tuple[str, ...]
    """A passage that contains one of these texts answers the question. Differences in white space do not matter."""
    group: str
    """The name under which results are reported."""

    def is_answered_by(self, passage: str) -> bool:
        passage = normalise_whitespace(passage)
        return any(normalise_whitespace(each) in passage for each in self.contains)


@dataclass(frozen=True)
class Collection:
    """The passages of each document, and questions about them."""

    documents: dict[str, list[Passage]]
    questions: list[Question]


def normalise_whitespace(text: str) -> str:
    return " ".join(text.split())


def load_built_in() -> Collection:
    """491 passages of four manuals that the demo model was not trained on, with two groups of questions.

    plain: 235 questions that use many words of their answers; misleading: questions that avoid them, and use words of
    other passages instead.
    """
    held_out = json.loads(HELD_OUT.read_text(encoding="utf-8"))
    passages: dict[str, str] = held_out["passages"]
    documents: dict[str, list[Passage]] = defaultdict(list)
    for name, text in passages.items():
        documents[name.rpartition("#")[0]].append(Passage(text))
    questions = [
        Question(entry["question"], (passages[entry["answer"]],), group)
        for group, entries in (
            ("plain", held_out["lists"]),
            ("misleading", json.loads(MISLEADING.read_text(encoding="utf-8"))["questions"]),
        )
        for entry in entries
    ]
    return Collection(documents, questions)


def load_own(directory: Path, questions: Path) -> Collection:
    """The files in `directory`, extracted and split as the server does, and the questions of a JSON file.

    Raises:
        CollectionError: a file cannot be read, no passage answers a question, or there is no question.
    """
    problems: list[str] = []
    documents = {}
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        try:
            documents[str(path.relative_to(directory))] = list(_passages(path))
        except extraction.UnreadableFile as error:
            problems.append(str(error))
    loaded = list(_questions(questions, problems))
    texts = [passage.text for passages in documents.values() for passage in passages]
    for question in loaded:
        if not any(map(question.is_answered_by, texts)):
            problems.append(f"{question.text!r}: no passage contains any of {list(question.contains)}")
    if problems or not loaded:
        raise CollectionError("\n".join(problems or [f"{questions} has no questions. Expected: {_EXAMPLE}"]))
    return Collection(documents, loaded)


def _passages(path: Path) -> Iterator[Passage]:
    with path.open("rb") as file:
        markdown = extraction.is_markdown(file, path.name)
        lines = extraction.lines(file, path.name, path.stat().st_size)
        yield from split_into_passages((line.text for line in lines), markdown=markdown)


def _questions(path: Path, problems: list[str]) -> Iterator[Question]:
    try:
        entries: Any = json.loads(path.read_text(encoding="utf-8"))["questions"]
        for entry in entries:
            contains = entry["contains"]
            if not isinstance(entry["question"], str) or not contains or not all(isinstance(c, str) for c in contains):
                raise ValueError(f"got {entry!r}")
            yield Question(entry["question"], tuple(contains), "own")
    except (OSError, ValueError, KeyError, TypeError) as error:
        problems.append(f"{path}: {type(error).__name__}: {error}. Expected: {_EXAMPLE}")
